"""A hard deadline for the end of a process."""

import os
import threading
from types import TracebackType
from typing import Final, Self

from app.events import StopForced
from app.logs import Log, LogLines

_LOG_SECONDS: Final = 0.5
_STATUS: Final = 1


class HardDeadline:
    """Exits the process unless the block is left in time.

    It is a thread, because the event loop may hang, or a step after its end: closing database connections, a
    thread that resolves a name. Child processes get a death signal from the kernel.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._timers: list[threading.Timer] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for timer in self._timers:
            timer.cancel()

    def set(self, seconds: float) -> None:
        """Exit the process after `seconds`. An earlier deadline stays."""
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def _end(self) -> None:
        LogLines(self._log)(StopForced(os.getpid(), "deadline"))
        self._log.close(_LOG_SECONDS)
        os._exit(_STATUS)
