"""The interface of an upstream connection for the exchange on it.

Not compiled: what derives from an interpreted class, as from asyncio.Protocol, is no native class for mypyc.
"""

import asyncio
from abc import abstractmethod


class UpstreamLink(asyncio.Protocol):
    """An upstream connection, as the exchange on it sees it."""

    transport: asyncio.Transport | None = None

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes of the request."""

    @abstractmethod
    def note_sent(self) -> None:
        """Take the end of the request: the upstream has all of it."""

    @abstractmethod
    def drains(self) -> bool:
        """Whether the upstream has taken some of the request since the last call."""

    @abstractmethod
    def pause_response(self) -> None:
        """Read no more of the response: the client is slower."""

    @abstractmethod
    def resume_response(self) -> None:
        """Read on."""

    @abstractmethod
    def end(self) -> None:
        """Drop the exchange, and close once everything is written."""

    @abstractmethod
    def abandon(self) -> None:
        """Drop the exchange and the connection with it: half a message has made it useless."""
