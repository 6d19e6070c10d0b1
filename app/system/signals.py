"""Signals of a process: handled whatever was inherited, held back, or queued for a loop to read.

A process inherits ignored and blocked signals. A shell without job control starts background jobs with
SIGINT ignored, nohup ignores SIGHUP, and a parent may have blocked anything. A signal that asks the gateway
to stop is sent on purpose: it is handled in all these cases.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Final, Self

STOP: Final = (signal.SIGTERM, signal.SIGINT)
ALL: Final = (*STOP, signal.SIGHUP)
_INHERITED: Final = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler)


def exit_on_stop() -> None:
    """Exit with status 0 on SIGTERM or SIGINT, until other handlers are installed. Handlers of a caller stay.

    The kernel drops a signal without a handler that is sent to process 1 of a container.
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # no status of a child could be read
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in STOP:
        if signal.getsignal(number) in _INHERITED:
            signal.signal(number, _exit)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)


def hold(*numbers: signal.Signals) -> None:
    """Block signals, in this thread and in those and the processes that it starts, until they are handled."""
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)


def handle_in_loop(calls: Mapping[signal.Signals, Callable[[], object]]) -> None:
    """Call a function in the running loop for each signal, until `ignore`.

    Not by the loop's own handlers: it restores the default ones when it closes, and a signal would end the
    process in the middle of its last steps.
    """
    loop = asyncio.get_running_loop()

    def handle(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(calls[signal.Signals(number)])

    for number in calls:
        signal.signal(number, handle)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, calls)


def ignore(*numbers: signal.Signals) -> None:
    """For the end of a process: an ignored signal stays so to the last, other handlers do not."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held(*numbers: signal.Signals) -> Iterator[None]:
    """Block signals for a while; one that arrives meanwhile is delivered afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ends_with_terminal() -> bool:
    """Whether SIGHUP means that the terminal went away. Not for a process that was started with nohup."""
    is_terminal = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
    return is_terminal and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN


class SignalQueue:
    """Signals as something to wait for: a loop reads them where it is ready to, in order.

    A handler would run between any two instructions of the loop. After the block the signals are ignored: the
    process is about to end. For the main thread.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = frozenset(numbers)

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)  # noqa: FBT003
        self._writer.setblocking(False)  # noqa: FBT003
        self._before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in self._numbers:
            signal.signal(number, _note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._numbers)
        return self

    def __exit__(self, *_: object) -> None:
        ignore(*self._numbers)
        signal.set_wakeup_fd(self._before)
        self._reader.close()
        self._writer.close()

    def fileno(self) -> int:
        return self._reader.fileno()

    def take(self) -> list[signal.Signals]:
        """Those that arrived since the last call."""
        try:
            arrived = self._reader.recv(4096)
        except BlockingIOError:
            return []
        return [signal.Signals(number) for number in arrived if number in self._numbers]


def _note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the number is in the queue."""


def _exit(_number: int, _frame: FrameType | None) -> None:
    os._exit(os.EX_OK)  # an exception could be raised where it is ignored; nothing has begun yet
