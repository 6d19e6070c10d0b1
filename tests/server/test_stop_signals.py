"""SIGTERM and SIGINT, once and repeated, at every moment of a real process: it ends, and in time."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness.relay.client import Client, is_refused, request
from harness.relay.deadlines import wait_until
from harness.relay.process import GatewayProcess, gateway_process
from harness.relay.tokens import SECRET
from harness.relay.upstream import OK, Upstream

LONG = 60  # seconds that no test may take
SOON = 45  # on a loaded machine
ROOT = Path(__file__).parents[2]
NUMBERS = [signal.SIGTERM, signal.SIGINT]

by_name = pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
by_processes = pytest.mark.parametrize("workers", [1, 2], ids=["one", "two"])


@pytest.fixture
def silent_database() -> Iterator[str]:
    """One that accepts connections and says nothing, like a database behind a lost network."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"postgresql://gateway@127.0.0.1:{silent.getsockname()[1]}/none"


def signal_until_it_ends(process: subprocess.Popen[bytes], number: signal.Signals) -> int:
    def has_ended() -> bool:
        process.send_signal(number)
        return process.poll() is not None

    wait_until(has_ended, "the end", seconds=SOON)
    return process.returncode


def begin(gateway: GatewayProcess, upstream: Upstream) -> Client:
    client = gateway.client()
    client.send(request("GET", "/rest/items"))
    upstream.accept().request()
    return client


@pytest.mark.parametrize(
    ("number", "workers", "reuse_port"),
    [
        (signal.SIGTERM, 1, False),
        (signal.SIGINT, 1, True),
        (signal.SIGINT, 2, False),
        (signal.SIGTERM, 2, True),
    ],
    ids=str,
)
def test_signals_without_pause_end_it(
    upstream: Upstream,
    number: signal.Signals,
    workers: int,
    reuse_port: bool,  # noqa: FBT001
) -> None:
    with gateway_process(upstream.url, workers=workers, reuse_port=reuse_port, drain_seconds=LONG) as gateway:
        begin(gateway, upstream)
        assert signal_until_it_ends(gateway.process, number) == 0
        assert '"event":"stop_forced"' in gateway.log.read_text()
        assert "Traceback" not in gateway.log.read_text()


@by_name
@by_processes
def test_the_second_one_ends_it_at_once_and_clients_see_a_cut(
    upstream: Upstream, number: signal.Signals, workers: int
) -> None:
    with gateway_process(upstream.url, workers=workers, drain_seconds=LONG) as gateway:
        client = begin(gateway, upstream)
        gateway.process.send_signal(number)
        wait_until(lambda: is_refused(gateway.port), "new clients to be refused")
        assert gateway.process.poll() is None
        gateway.process.send_signal(number)
        wait_until(lambda: gateway.process.poll() is not None, "its end", seconds=SOON)
        assert (gateway.process.returncode, client.answer().status) == (0, 503)
        log = gateway.log.read_text()
        assert '"reason":"second signal"' in log
        assert '"reason":"forced stop"' in log


@by_processes
def test_a_signal_of_both_kinds_at_once_is_one_request(upstream: Upstream, workers: int) -> None:
    """As `timeout`, terminals and process managers send it: to the process and to its group."""
    with gateway_process(upstream.url, workers=workers, drain_seconds=LONG, in_group=True) as gateway:
        client = gateway.client()
        client.send(request("GET", "/rest/items"))
        end = upstream.accept()
        end.request()
        gateway.signal_group(signal.SIGINT)
        wait_until(lambda: is_refused(gateway.port), "new clients to be refused")
        end.send(OK)
        assert client.answer().status == 200
        client.wait_end()
        assert gateway.wait() == 0
        assert "stop_forced" not in gateway.log.read_text()


@by_processes
def test_a_fraction_of_a_second_is_a_drain(upstream: Upstream, workers: int) -> None:
    with gateway_process(upstream.url, workers=workers, drain_seconds=0.9) as gateway:
        begin(gateway, upstream)
        began = time.monotonic()
        gateway.terminate()
        assert gateway.wait() == 0
        assert time.monotonic() - began > 0.6


def test_a_fraction_of_a_second_is_an_idle_time_on_both_listeners(upstream: Upstream) -> None:
    with gateway_process(upstream.url, idle_seconds=0.9) as gateway, Client(gateway.admin_port) as admin:
        assert admin.ask("GET", "/live", token=None).status == 200
        began = time.monotonic()
        admin.wait_end()
        assert time.monotonic() - began > 0.6


@by_name
@by_processes
def test_it_ends_while_it_starts(silent_database: str, number: signal.Signals, workers: int) -> None:
    """From its first instruction on, and while it waits for the database."""
    with started(silent_database, workers) as process:
        assert signal_until_it_ends(process, number) in {0, -number}  # Python itself takes a moment to begin


@by_processes
def test_one_signal_is_enough_while_it_waits_for_the_database(silent_database: str, workers: int) -> None:
    with started(silent_database, workers) as process:
        wait_until(lambda: is_bound(process), "its sockets", seconds=SOON)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON) == 0


def test_a_call_that_waits_for_the_database_cannot_keep_it(upstream: Upstream, silent_database: str) -> None:
    with gateway_process(upstream.url, database_url=silent_database, drain_seconds=0.5) as gateway:
        heads = ["Content-Type: application/json", "Content-Profile: auth"]
        gateway.client().send(request("POST", "/rpc/login", heads, body=b'{"user_":"a"}', token=None))
        gateway.terminate()
        gateway.wait()
        assert "Traceback" not in gateway.log.read_text()


def test_a_client_of_the_admin_listener_cannot_keep_it(upstream: Upstream) -> None:
    with gateway_process(upstream.url, drain_seconds=0.5) as gateway, Client(gateway.admin_port) as admin:
        admin.send(b"GET /live HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        gateway.terminate()
        assert gateway.wait() == 0


@contextmanager
def started(database: str, workers: int) -> Iterator[subprocess.Popen[bytes]]:
    environ = {
        "PYTHONPATH": str(ROOT),
        "POSTGATE_DATABASE_URL": database,
        "POSTGATE_JWT_SECRET": SECRET,
        "POSTGATE_WORKERS": str(workers),
        "POSTGATE_PORT": "0",
        "POSTGATE_ADMIN_PORT": "0",
    }
    command = [sys.executable, "-m", "app", "serve"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def is_bound(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has a socket: it binds before it starts anything else."""
    sockets = 0
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            sockets += "socket:" in str(link.readlink())
    return sockets >= 2
