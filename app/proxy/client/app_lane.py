"""The bounds of a request in the app lane. uvicorn has no deadline for a body, and none for its pace."""

from typing import Final

from app.core.requests import Request
from app.proxy.limits import Limits
from app.proxy.pace import BodyPace

_BYTES: Final = 24_576  # what uvicorn and the framework take for a request whose body still comes


class AppRequest:
    """One request whose cycle is uvicorn's."""

    __slots__ = ("_pace", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self._pace = BodyPace()

    @property
    def held_bytes(self) -> int:
        """Bytes of memory while its body still comes, by estimate."""
        return _BYTES + self._pace.came

    def add(self, data: bytes) -> None:
        """Count a piece of the body."""
        self._pace.came += len(data)

    def is_late(self, waited: float, seconds: float, limits: Limits) -> bool:
        """Whether nothing has come for too long, or too little, with `seconds` more of reading."""
        return self._pace.is_late(seconds, limits) or waited > limits.body_stall_seconds
