"""Whoever reads the log may be slow, or gone: no request waits for that, and what is lost is counted."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness.relay.client import Client
from harness.relay.deadlines import wait_until
from harness.relay.gateway import DEAD_DATABASE
from harness.relay.tokens import SECRET
from harness.relay.upstream import Upstream

from app.devstack.ports import free_port

LONG_PATH = "/rest/" + "x" * 4_000
ENOUGH = 3_000  # lines of that length are more than the pipe and the gateway hold
MOST_SECONDS = 2.0
FULL = Path("/dev/full")  # each write to it finds no space


@dataclass
class Read:
    """A gateway whose log goes into a pipe, which only this test reads."""

    process: subprocess.Popen[bytes]
    port: int
    admin_port: int
    pipe: int

    def lost(self) -> float:
        with Client(self.admin_port) as admin:
            text = admin.ask("GET", "/metrics", token=None).body.decode()
        name = "gateway_log_lines_lost_total "
        return float(next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name))


@contextmanager
def logging_into(writing: int, upstream: Upstream, reading: int = -1) -> Iterator[Read]:
    port, admin_port = free_port(), free_port()
    settings = {
        "DATABASE_URL": DEAD_DATABASE,
        "JWT_SECRET": SECRET,
        "POSTGREST_URL": upstream.url,
        "PORT": port,
        "ADMIN_PORT": admin_port,
        "LOG_REQUESTS": "true",
    }
    variables = {f"POSTGATE_{name}": str(value) for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve"], env={"PATH": os.defpath, **variables}, stderr=writing
    )
    os.close(writing)
    try:
        wait_until(lambda: serves(port), "the start", seconds=60)
        yield Read(process, port, admin_port, reading)
    finally:
        process.kill()
        process.wait()


def serves(port: int) -> bool:
    try:
        with Client(port) as client:
            return client.ask("GET", "/nowhere", token=None).status == 401
    except OSError:
        return False


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    with upstream.serving():
        yield upstream
    upstream.close()


@pytest.fixture
def read(upstream: Upstream) -> Iterator[Read]:
    reading, writing = os.pipe()
    with logging_into(writing, upstream, reading) as read:
        yield read
    os.close(reading)


def relay(client: Client, times: int) -> float:
    """The longest that one of so many requests took."""
    longest = 0.0
    for _ in range(times):
        began = time.monotonic()
        assert client.ask("GET", LONG_PATH).status == 200
        longest = max(longest, time.monotonic() - began)
    return longest


def lines_until(pipe: int, event: str) -> list[dict[str, object]]:
    text = b""
    while f'"event":"{event}"'.encode() not in text:
        text += os.read(pipe, 1 << 20)
    return [json.loads(line) for line in text.splitlines() if line.endswith(b"}")]


def test_a_reader_that_has_stopped_holds_nobody_up_and_learns_what_it_missed(read: Read) -> None:
    with Client(read.port) as client:
        assert relay(client, ENOUGH) < MOST_SECONDS
        wait_until(lambda: read.lost() > 0, "lines to be lost")
        lines = lines_until(read.pipe, "log_lines_lost")
        told = next(line["lines"] for line in lines if line["event"] == "log_lines_lost")
        assert isinstance(told, int)
        assert told > 0
        written = sum(line["event"] == "request_relayed" for line in lines)
        assert ENOUGH // 4 < written < ENOUGH
        assert relay(client, 1) < MOST_SECONDS
        assert lines_until(read.pipe, "request_relayed")


def test_a_reader_that_is_gone_takes_nobody_with_it(read: Read) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), read.pipe)
    with Client(read.port) as client:
        assert relay(client, 50) < MOST_SECONDS
    wait_until(lambda: read.lost() > 0, "lines to be lost")
    read.process.terminate()
    assert read.process.wait(30) == 0


@pytest.mark.skipif(not FULL.exists(), reason="the device is Linux's")
def test_a_disk_that_is_full_costs_lines_and_nothing_else(upstream: Upstream) -> None:
    full = os.open(FULL, os.O_WRONLY)
    with logging_into(full, upstream) as read, Client(read.port) as client:
        assert relay(client, 50) < MOST_SECONDS
        wait_until(lambda: read.lost() >= 50, "lines to be lost")
        read.process.terminate()
        assert read.process.wait(30) == 0
