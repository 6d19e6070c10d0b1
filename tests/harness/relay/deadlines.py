"""Waiting for something to become true, never for time to pass."""

import time
from collections.abc import Callable

# For a machine that does much else: what holds at all holds within milliseconds otherwise
PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.002


class NeverCame(AssertionError):
    """What a test waited for did not happen in time."""


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until `condition()` is true. Raises NeverCame."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise NeverCame(f"waited {seconds:g} s for: {what}")
        time.sleep(_PAUSE_SECONDS)
