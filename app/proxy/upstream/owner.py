"""The interface of the pool for its connections."""

from abc import abstractmethod
from typing import Generic, TypeVar

from app.proxy.limits import Limits

ConnectionT = TypeVar("ConnectionT")


class ConnectionOwner(Generic[ConnectionT]):
    """The pool, as its connections see it. Abstract, but no ABC at run time, as `Cycle` is none."""

    limits: Limits

    @abstractmethod
    def take_slot(self, connection: ConnectionT) -> None:
        """Note that the upstream has a whole request."""

    @abstractmethod
    def free_slot(self, connection: ConnectionT) -> None:
        """Note that the upstream has begun to respond or is gone, and serve the queued exchanges."""

    @abstractmethod
    def release(self, connection: ConnectionT) -> None:
        """Take a connection that is in step again."""

    @abstractmethod
    def discard(self, connection: ConnectionT) -> None:
        """Note that a connection is gone."""
