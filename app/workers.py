"""Several processes behind one set of sockets: started, replaced when they die, ended together.

uvicorn's own supervisor knows one listener for each worker; the gateway has two, and its workers drain.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import NamedTuple

from app.events import Observer, WorkerEnded

_HEALTHY_SECONDS = 1.0  # a worker that ends sooner was never well: another one would end likewise


class _Started(NamedTuple):
    worker: BaseProcess
    place: int
    at: float


class Supervisor:
    """Keeps processes running until SIGTERM or SIGINT.

    `make` gives what the process in a place is to do. `on_stop` lets go of what the workers share: a
    listening socket that stays open here would go on taking connections that nobody serves. SIGHUP, after
    `on_hangup`, is handed on; without that it ends everything.
    """

    def __init__(
        self,
        make: Callable[[int], Callable[[], None]],
        *,
        on_stop: Callable[[], None],
        on_hangup: Callable[[], None] | None,
        observe: Observer,
    ) -> None:
        self._make = make
        self._on_stop = on_stop
        self._on_hangup = on_hangup
        self._observe = observe
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, _Started] = {}
        self._starting = self._stopping = False
        self._failed = False

    def run(self, count: int) -> int:
        """Supervise so many processes; the exit status for the whole."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._hang_up)
        for place in range(count):
            self._start(place)
        while self._workers:
            for sentinel in wait(list(self._workers)):
                assert isinstance(sentinel, int)  # noqa: S101  the keys are
                self._replace(self._workers.pop(sentinel))
        return 1 if self._failed else 0

    def _start(self, place: int) -> None:
        self._starting = True
        if not self._stopping:
            signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))  # it would end a worker not yet ready
            worker = self._context.Process(target=self._make(place))
            worker.start()
            self._workers[worker.sentinel] = _Started(worker, place, time.monotonic())
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))
        self._starting = False
        if self._stopping:
            self._stop()

    def _replace(self, ended: _Started) -> None:
        ended.worker.join()
        if self._stopping:
            return
        # A status of its own says that it could not start; a signal's says that somebody killed it.
        if (ended.worker.exitcode or 0) > 0 and time.monotonic() - ended.at < _HEALTHY_SECONDS:
            self._failed = True
            self._stop()
        else:
            self._observe(WorkerEnded(ended.worker.exitcode))
            self._start(ended.place)

    def _stop(self, _number: int = signal.SIGTERM, _frame: FrameType | None = None) -> None:
        self._stopping = True
        if self._starting:
            return  # not in the middle: it needs the sockets, and its worker could not be found yet
        self._on_stop()
        for each in self._workers.values():
            each.worker.terminate()

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        if self._on_hangup is None:
            self._stop()
            return
        self._on_hangup()
        for each in self._workers.values():
            if each.worker.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(each.worker.pid, signal.SIGHUP)


def parent_sentinel() -> int | None:
    """A descriptor that becomes readable when the supervisor is gone; None outside a worker."""
    parent = multiprocessing.parent_process()
    return None if parent is None else parent.sentinel
