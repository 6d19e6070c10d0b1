"""Load by wrk: one run against a port, and its counts.

wrk.lua prints the figures as one line of JSON.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SCRIPT = Path(__file__).with_name("wrk.lua")


class LoadBroken(RuntimeError):
    """wrk could not run, or its figures are invalid."""


@dataclass(frozen=True)
class Load:
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: str = ""
    token_file: Path | None = None
    expect_rejection: bool = False


@dataclass(frozen=True)
class Counted:
    requests: int
    seconds: float
    p50_us: int
    p99_us: int
    refused: int
    broken: int


def run_wrk(load: Load, *, port: int, connections: int, seconds: int) -> Counted:
    headers = [part for name, value in load.headers.items() for part in ("-H", f"{name}: {value}")]
    files = [str(load.token_file)] if load.token_file else []
    arguments = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", *headers]
    arguments += ["-s", str(_SCRIPT), f"http://127.0.0.1:{port}{load.path}"]
    arguments += ["--", load.method, load.body, *files]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LoadBroken(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    counted = parse_wrk(done.stdout)
    check(counted, load)
    return counted


def parse_wrk(output: str) -> Counted:
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            return Counted(**json.loads(line))
    raise LoadBroken("wrk printed no figures")


def check(counted: Counted, load: Load) -> None:
    """Raise LoadBroken if responses were not as expected."""
    if counted.requests == 0:
        raise LoadBroken("no request got a response")
    if counted.broken:
        raise LoadBroken(f"{counted.broken} connections broke or timed out")
    expected = counted.requests if load.expect_rejection else 0
    if counted.refused != expected:
        raise LoadBroken(f"{counted.refused} of {counted.requests} requests were rejected")
