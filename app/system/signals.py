"""Signals of a process: handled despite inherited settings, blocked, or queued for a loop.

A process inherits ignored and blocked signals. A shell without job control starts background jobs with SIGINT
ignored, nohup ignores SIGHUP, and a parent may have blocked any signal. A request to stop is intended, so it
is handled in all these cases.
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
    """Exit with status 0 on SIGTERM or SIGINT, until other handlers are installed. Keeps a caller's handlers.

    In process 1 of a container, the kernel drops a signal that has no handler.
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # ignored, it hides the status of children
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in STOP:
        if signal.getsignal(number) in _INHERITED:
            signal.signal(number, _exit)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)


def hold(*numbers: signal.Signals) -> None:
    """Block signals in this thread, and in threads and processes that it starts, until they are handled."""
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)


def handle_in_loop(calls: Mapping[signal.Signals, Callable[[], object]]) -> None:
    """Call a function in the running loop for each signal, until `ignore`.

    The loop's own handlers are not used: when the loop closes, it restores the default ones, and a signal
    would end the process during its last steps.
    """
    loop = asyncio.get_running_loop()

    def handle(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(calls[signal.Signals(number)])

    for number in calls:
        signal.signal(number, handle)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, calls)


def ignore(*numbers: signal.Signals) -> None:
    """Ignore signals for the end of a process: unlike a handler, this lasts until it exits."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held(*numbers: signal.Signals) -> Iterator[None]:
    """Block signals in a block of code; they are delivered after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ends_with_terminal() -> bool:
    """Whether SIGHUP means that the terminal closed. False for a process that was started with nohup."""
    is_terminal = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
    return is_terminal and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN


class SignalQueue:
    """Signals in a queue with a file descriptor: a loop waits for them and reads them in order.

    A handler would run between any two instructions of the loop. After the block, the signals are ignored,
    because the process is about to end. Only for the main thread.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = frozenset(numbers)

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)  # noqa: FBT003
        self._writer.setblocking(False)  # noqa: FBT003
        self._before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in self._numbers:
            signal.signal(number, _do_nothing)
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
        """The signals since the last call."""
        try:
            arrived = self._reader.recv(4096)
        except BlockingIOError:
            return []
        return [signal.Signals(number) for number in arrived if number in self._numbers]


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the number is in the queue."""


def _exit(_number: int, _frame: FrameType | None) -> None:
    os._exit(os.EX_OK)  # no exception, which could be ignored; nothing has started that needs clean-up
