"""A client's request to change protocols: whether the upstream has agreed to it, and what comes meanwhile."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from app.core.http.headers import Header
from app.core.http.response_heads import accepts_websocket
from app.core.requests import Request
from app.proxy.exchange.client_side import ClientSide

_HELD_BYTES: Final = 65_536


class Upgrade:
    """One WebSocket handshake. Until the upstream has agreed, bytes of the client behind it are held."""

    def __init__(self, client: ClientSide, request: Request) -> None:
        self._client = client
        self._key = next((value for name, value in request.headers if name == b"sec-websocket-key"), b"")
        self._held: list[bytes] = []
        self._held_bytes = 0
        client.divert = self.hold

    def hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _HELD_BYTES:
            self._client.flow.pause_reading()

    def take(self) -> bytes:
        """The held bytes; they are not kept."""
        held, self._held = self._held, []
        return b"".join(held)

    def is_accepted(self, status: int, headers: Sequence[Header]) -> bool:
        """Whether a response is the change of protocols that the client asked for (RFC 6455 section 4.1)."""
        return status == HTTPStatus.SWITCHING_PROTOCOLS and accepts_websocket(headers, self._key)
