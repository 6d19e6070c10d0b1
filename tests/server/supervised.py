"""Runs a supervisor with workers of some behaviour, and prints one line of JSON when it returns.

Usage: supervised.py KIND COUNT DRAIN DEATHS MOMENT AT DELAY. The first DEATHS workers come up and are killed,
the others behave as KIND says. At MOMENT of the worker number AT the supervisor gets SIGTERM. DELAY is the
first delay before a worker is started again, in seconds; test_supervision.py holds the real ones.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from typing_extensions import override

from app.events import Event
from app.server import supervision
from app.server import supervisor as module
from app.server.supervisor import Supervisor, WorkersFailed

KIND, COUNT, DRAIN, DEATHS, MOMENT, AT, DELAY = sys.argv[1:] if len(sys.argv) > 7 else ("", 0, 0, 0, "", 0, 0)
REST_SECONDS = 60
made = 0

supervision._FIRST_DELAY_SECONDS = float(DELAY)  # type: ignore[misc]
module._UNWIND_SECONDS = 0.3  # type: ignore[misc]  # a tenth


def die(lifeline: Connection) -> None:
    lifeline.send_bytes(b"ready")
    signal.raise_signal(signal.SIGKILL)


def fail(_: Connection) -> None:
    sys.exit(7)


def rest(lifeline: Connection) -> None:
    lifeline.send_bytes(b"ready")
    time.sleep(REST_SECONDS)


def deaf(lifeline: Connection) -> None:
    """A worker that hangs: neither SIGTERM nor the supervisor's word ends it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    lifeline.send_bytes(b"ready")
    time.sleep(REST_SECONDS)


class Target:
    def __init__(self, does: Callable[[Connection], None]) -> None:
        self._does = does

    def __call__(self, _: Connection) -> None:
        raise NotImplementedError  # it arrives as what it does

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        stop_at("start")
        return partial, (self._does,)


def make(_: int) -> Target:
    global made  # noqa: PLW0603
    made += 1
    stop_at("make")
    return Target(die if made <= int(DEATHS) else {"fail": fail, "rest": rest, "deaf": deaf}[KIND])


def stop_at(moment: str) -> None:
    if (moment, made) == (MOMENT, int(AT)):
        os.kill(os.getpid(), signal.SIGTERM)


def observe(event: Event) -> None:
    told.append([type(event).__name__, getattr(event, "retry_seconds", None)])
    sys.stderr.write(json.dumps(told[-1]) + "\n")
    sys.stderr.flush()


told: list[list[object]] = []


def main() -> None:
    supervisor = Supervisor(
        make, drain_seconds=float(DRAIN), on_stop=lambda: None, on_hangup=None, observe=observe
    )
    failed = ""
    try:
        supervisor.run(int(COUNT))
    except WorkersFailed as failure:
        failed = str(failure)
    sys.stdout.write(json.dumps({"made": made, "told": told, "failed": failed}))


if __name__ == "__main__":
    main()
