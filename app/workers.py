"""Several processes behind one set of sockets: started, replaced when they die, ended together.

uvicorn's own supervisor knows one listener for each worker; the gateway has two, and its workers drain.
"""

import multiprocessing
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_HEALTHY_SECONDS = 1.0  # a worker that ends sooner was never well: another one would end likewise


def supervise(target: Callable[[], None], count: int, *, on_stop: Callable[[], None]) -> int:
    """Run `target` in `count` processes until SIGTERM or SIGINT; the exit status for the whole.

    `on_stop` lets go of what the workers share: a listening socket that stays open here would go on taking
    connections that nobody serves.
    """
    context = multiprocessing.get_context("spawn")
    workers: dict[int, tuple[BaseProcess, float]] = {}
    stopping = False

    def start() -> None:
        worker = context.Process(target=target)
        worker.start()
        workers[worker.sentinel] = (worker, time.monotonic())

    def stop(_number: int = signal.SIGTERM, _frame: FrameType | None = None) -> None:
        nonlocal stopping
        stopping = True
        on_stop()
        for worker, _started in workers.values():
            worker.terminate()

    for number in _SIGNALS:
        signal.signal(number, stop)
    for _ in range(count):
        start()
    failed = False
    while workers:
        for sentinel in wait(list(workers)):
            assert isinstance(sentinel, int)  # noqa: S101  the keys are
            worker, started = workers.pop(sentinel)
            worker.join()
            if stopping:
                continue
            # A status of its own says that it could not start; a signal's says that somebody killed it.
            if (worker.exitcode or 0) > 0 and time.monotonic() - started < _HEALTHY_SECONDS:
                failed = True
                stop()
            else:
                print(f"A worker ended with status {worker.exitcode}: starting another.", file=sys.stderr)  # noqa: T201
                start()
    return 1 if failed else 0


def parent_sentinel() -> int | None:
    """A descriptor that becomes readable when the supervisor is gone; None outside a worker."""
    parent = multiprocessing.parent_process()
    return None if parent is None else parent.sentinel
