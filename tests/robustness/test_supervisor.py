"""A stop that comes while a worker is being started reaches that worker, too."""

import subprocess
import sys

import pytest

SECONDS = 10
PROGRAM = """
import signal
import sys
import time
from functools import partial

from app.workers import Supervisor

STOP, AT, DEATHS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
made = 0


class Serving:
    def __reduce__(self):  # on its way into the process that is being started
        stop_at("start")
        return partial, (time.sleep, 30)


def make(place):
    global made
    made += 1
    stop_at("make")
    return partial(signal.raise_signal, signal.SIGKILL) if made <= DEATHS else Serving()


def stop_at(moment):
    if (moment, made) == (STOP, AT):
        signal.raise_signal(signal.SIGTERM)


supervisor = Supervisor(make, on_stop=lambda: None, on_hangup=None, observe=lambda _: None)
status = supervisor.run(3)
print(made, "made")
sys.exit(status)
"""


@pytest.mark.parametrize("moment", ["make", "start"])
@pytest.mark.parametrize(("at", "deaths"), [(1, 0), (2, 0), (3, 0), (4, 1)], ids=str)
def test_a_stop_while_a_worker_is_being_started_ends_it_and_starts_no_other(
    moment: str, at: int, deaths: int
) -> None:
    """The fourth takes the place of one that was killed."""
    command = [sys.executable, "-c", PROGRAM, moment, str(at), str(deaths)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{at} made\n", "")
