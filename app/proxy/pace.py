"""The least rate of a request's body, as Apache's mod_reqtimeout has it.

Without one a byte now and then is no stall, and holds an upstream connection without end. Time counts only
while the gateway reads.
"""

from app.proxy.limits import Limits


class BodyPace:
    """One body's. `came` are the bytes that have come of it."""

    __slots__ = ("_seconds", "came")

    def __init__(self) -> None:
        self.came = 0
        self._seconds = 0.0

    def is_late(self, seconds: float, limits: Limits) -> bool:
        """Whether too little has come, with `seconds` of reading since the last look."""
        self._seconds += seconds
        least = limits.body_bytes_per_second
        return least > 0 and self._seconds > limits.body_stall_seconds + self.came / least
