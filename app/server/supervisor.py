"""Several processes on one set of sockets: started, replaced when they exit, stopped together.

uvicorn's supervisor supports one listener for each worker; the gateway has two, and its workers drain.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

from app.events import Observer, StopForced, WorkerExited
from app.server.lifeline import FORCE
from app.server.stopping import Step, StopRequests
from app.server.supervision import FAILED_STARTS, Supervision
from app.system.signals import ALL, SignalQueue, held

_FORCE_SECONDS: Final = 1.5  # for a worker to cut its connections
_UNWIND_SECONDS: Final = 3.0  # beyond the worker's own deadline

Target = Callable[[Connection], None]


class WorkersFailed(Exception):
    """A worker did not become ready in any of its first starts."""


@dataclass(frozen=True, slots=True)
class _Running:
    process: BaseProcess
    index: int
    lifeline: Connection

    def force(self) -> None:
        with suppress(OSError):  # the worker has exited
            self.lifeline.send_bytes(FORCE)


class Supervisor:
    """Keeps processes running until SIGTERM or SIGINT.

    `make` returns the target of the worker with an index; the target gets the worker's end of its lifeline.
    `on_stop` closes the shared sockets: a listening socket that stays open here would accept connections that
    no process serves. SIGHUP is forwarded to the workers after `on_hangup`; without `on_hangup` it stops them
    all.
    """

    def __init__(
        self,
        make: Callable[[int], Target],
        *,
        drain_seconds: float,
        on_stop: Callable[[], None],
        on_hangup: Callable[[], None] | None,
        observe: Observer,
    ) -> None:
        self._make = make
        self._drain_seconds = drain_seconds
        self._on_stop = on_stop
        self._on_hangup = on_hangup
        self._observe = observe
        self._context = multiprocessing.get_context("spawn")
        self._running: dict[int, _Running] = {}  # by sentinel
        self._requests = StopRequests()
        self._supervision = Supervision(0)
        self._kill_at: float | None = None

    def run(self, count: int) -> None:
        """Supervise `count` workers until all of them have ended. Raises WorkersFailed."""
        self._supervision = Supervision(count)
        with SignalQueue(*ALL) as signals:
            while not self._supervision.is_over:
                # One start at a time, to handle signals in between
                for index in self._supervision.due(time.monotonic())[:1]:
                    self._start(index)
                self._wait_once(signals)
                self._kill_late()
        if self._supervision.given_up is not None:
            raise WorkersFailed(
                f"Worker {self._supervision.given_up} did not become ready in {FAILED_STARTS} starts in a "
                "row, so the gateway ends. The log lines above have the exit status of each."
            )

    def _wait_once(self, signals: SignalQueue) -> None:
        lifelines = {each.lifeline: each for each in self._running.values() if not each.lifeline.closed}
        ready = wait([signals.fileno(), *lifelines, *self._running], self._wait_seconds())
        if signals.fileno() in ready:
            for number in signals.take():
                self._handle(number)
        # Messages before exits: a worker may have become ready and exited since
        for lifeline in lifelines.keys() & set(ready):
            self._read_message(lifelines[lifeline])
        for sentinel in self._running.keys() & set(ready):
            self._reap(self._running.pop(sentinel))

    def _wait_seconds(self) -> float | None:
        now = time.monotonic()
        if self._kill_at is not None:
            return max(0.0, self._kill_at - now)
        return self._supervision.wait_seconds(now)

    def _start(self, index: int) -> None:
        own_end, worker_end = self._context.Pipe()
        # A starting worker has no signal handlers: SIGHUP would end it, Ctrl-C would print a traceback
        with worker_end, held(signal.SIGHUP):
            resource_tracker.ensure_running()  # its start unblocks SIGINT
            with held(signal.SIGINT):
                process = self._context.Process(target=self._make(index), args=(worker_end,))
                process.start()
        self._running[process.sentinel] = _Running(process, index, own_end)
        self._supervision.started(index)

    def _read_message(self, worker: _Running) -> None:
        try:
            worker.lifeline.recv_bytes()
        except (EOFError, OSError):
            worker.lifeline.close()
        else:
            self._supervision.became_ready(worker.index, time.monotonic())

    def _reap(self, worker: _Running) -> None:
        worker.process.join()
        worker.lifeline.close()
        again = self._supervision.exited(worker.index, time.monotonic())
        if self._kill_at is None:  # else the exit was requested
            self._observe(WorkerExited(worker.process.exitcode, worker.index, again))
        if self._supervision.given_up is not None and self._kill_at is None:
            self._drain()

    def _handle(self, number: signal.Signals) -> None:
        if number is signal.SIGHUP and self._on_hangup is not None:
            self._on_hangup()
            for each in self._running.values():
                if each.process.pid is not None:
                    with suppress(ProcessLookupError):
                        os.kill(each.process.pid, signal.SIGHUP)
            return
        match self._requests.request(time.monotonic()):
            case Step.DRAIN:
                self._drain()
            case Step.FORCE:
                self._observe(StopForced(os.getpid(), "second signal"))
                for each in self._running.values():
                    each.force()
                self._kill_at = time.monotonic() + _FORCE_SECONDS
            case Step.NONE:
                pass

    def _drain(self) -> None:
        self._supervision.stop()
        self._on_stop()
        for each in self._running.values():
            each.process.terminate()
        self._kill_at = time.monotonic() + self._drain_seconds + _UNWIND_SECONDS

    def _kill_late(self) -> None:
        """Kill workers that have not ended in time. SIGKILL also ends stopped processes."""
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = time.monotonic() + _FORCE_SECONDS
            for each in self._running.values():
                each.process.kill()
