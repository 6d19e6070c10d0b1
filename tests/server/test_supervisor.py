"""The supervisor with workers of any behaviour: stops at every moment, failed starts, workers that hang."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness.relay.deadlines import wait_until

PROGRAM = Path(__file__).with_name("supervised.py")
ROOT = Path(__file__).parents[2]
SECONDS = 60


@contextmanager
def supervising(
    kind: str,
    *,
    count: int = 1,
    drain: float = 0,
    deaths: int = 0,
    moment: str = "",
    at: int = 0,
    delay: float = 0.05,
) -> Iterator[subprocess.Popen[str]]:
    words = [kind, str(count), str(drain), str(deaths), moment, str(at), str(delay)]
    process = subprocess.Popen(
        [sys.executable, PROGRAM, *words],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def outcome(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate(timeout=SECONDS)
    assert "Traceback" not in errors, errors
    assert process.returncode == 0
    said: dict[str, Any] = json.loads(output)
    return said


@pytest.mark.parametrize("moment", ["make", "start"])
@pytest.mark.parametrize(("at", "deaths"), [(1, 0), (2, 0), (3, 0), (4, 1)], ids=str)
def test_a_stop_while_a_worker_is_being_started_ends_it_and_starts_no_other(
    moment: str, at: int, deaths: int
) -> None:
    """The fourth takes the place of one that was killed."""
    with supervising("rest", count=3, drain=SECONDS, deaths=deaths, moment=moment, at=at) as process:
        said = outcome(process)
    assert (said["made"], said["failed"]) == (at, "")


def test_a_worker_that_never_comes_up_is_started_five_times_with_growing_delays() -> None:
    with supervising("fail") as process:
        said = outcome(process)
    assert said["made"] == 5
    assert said["told"] == [["WorkerExited", delay] for delay in (0.05, 0.1, 0.2, 0.4, None)]
    assert said["failed"].startswith("Worker 0 did not become ready in 5 starts in a row")


def test_a_stop_while_it_waits_before_another_start_ends_it_at_once() -> None:
    with supervising("fail", delay=SECONDS) as process:
        assert process.stderr is not None
        assert "WorkerExited" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert outcome(process)["made"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_worker_that_hangs_is_killed_at_its_deadline(number: signal.Signals) -> None:
    with supervising("deaf", drain=0.1) as process:
        wait_until(lambda: workers_are_up(process), "the worker", seconds=SECONDS)
        process.send_signal(number)
        assert outcome(process)["told"] == []


def test_the_second_signal_ends_a_worker_that_hangs_and_says_so() -> None:
    with supervising("deaf", drain=SECONDS) as process:
        wait_until(lambda: workers_are_up(process), "the worker", seconds=SECONDS)

        def is_forced() -> bool:
            process.send_signal(signal.SIGTERM)
            return process.poll() is not None

        wait_until(is_forced, "its end", seconds=SECONDS / 2)
        assert outcome(process)["told"] == [["StopForced", None]]


def workers_are_up(process: subprocess.Popen[str]) -> bool:
    """A worker ignores SIGTERM."""
    for listed in Path(f"/proc/{process.pid}/task").glob("*/children"):
        for child in listed.read_text().split():
            status = Path(f"/proc/{child}/status").read_text()
            is_worker = b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
            ignored = next(line for line in status.splitlines() if line.startswith("SigIgn"))
            if is_worker and int(ignored.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
                return True
    return False
