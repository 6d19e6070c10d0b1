"""Debian's slowhttptest: heads and bodies that drip, bodies that stall, answers that nobody reads.

The attackers are ended by the deadlines, and nobody else notices, unless they take every upstream connection.
"""

import csv
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness.relay.client import Client, request
from harness.relay.deadlines import wait_until
from harness.relay.process import GatewayProcess, gateway_process
from harness.relay.tokens import VALID
from harness.relay.upstream import Upstream, answer, answering

PROGRAM = shutil.which("slowhttptest")
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="slowhttptest is not installed (Debian: apt-get install slowhttptest)"
)

ATTACKERS = 60
DEADLINE_SECONDS = 2
LENIENCE_SECONDS = 4.0  # half a tick of the gateway's, a busy machine
QUICK_SECONDS = 2.5
LARGEST_SECONDS = 12
FEW = ATTACKERS // 3
MANY = 300
LONGER = 2 * DEADLINE_SECONDS  # until so many are connected
MOST = 200  # of them with a connection to the upstream
DRIPS = ("-B", "-s", "8192", "-x", "10", "-i", "1")  # as usual, but for an interval that is no stall
LARGE = answer(b"x" * 3_000_000)
SMALL = answer(b"[]")


@contextmanager
def under_attack(
    upstream: Upstream,
    folder: Path,
    *arguments: str,
    says: bytes = SMALL,
    connections: int = FEW,
    attackers: int = ATTACKERS,
    seconds: int = DEADLINE_SECONDS,
) -> Iterator["Attack"]:
    """A gateway with short deadlines, behind it an upstream that answers, before it slowhttptest.

    `connections`: to the upstream, at most.
    """
    with (
        gateway_process(
            upstream.url,
            upstream_connections=connections,
            upstream_queue_seconds=LARGEST_SECONDS,
            head_seconds=seconds,
            body_stall_seconds=seconds,
            write_stall_seconds=seconds,
            idle_seconds=seconds,
        ) as gateway,
        upstream.serving(answering(says)),
    ):
        attack = Attack(gateway, folder, arguments, attackers)
        try:
            yield attack
        finally:
            attack.stop()


class Attack:
    def __init__(
        self, gateway: GatewayProcess, folder: Path, arguments: tuple[str, ...], attackers: int
    ) -> None:
        assert PROGRAM is not None
        self._gateway = gateway
        self._report = folder / "slow"
        self._process = subprocess.Popen(
            [
                PROGRAM, *arguments,
                "-u", f"http://127.0.0.1:{gateway.port}/rest/items",
                "-j", f"access_token={VALID}",
                "-c", str(attackers), "-r", "1000", "-l", str(LARGEST_SECONDS), "-p", "1",
                "-g", "-o", str(self._report), "-v", "0",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def wait_begun(self, attackers: int = ATTACKERS) -> None:
        wait_until(lambda: self.open_connections >= attackers, "the attackers to be connected")

    @property
    def open_connections(self) -> int:
        """What the gateway holds open for clients."""
        with Client(self._gateway.admin_port) as admin:
            text = admin.ask("GET", "/metrics", token=None).body.decode()
        values = dict(line.split(" ") for line in text.splitlines() if line.startswith("gateway_client_"))
        return int(float(values["gateway_client_connections"]))

    def ask(self) -> float:
        """An ordinary request in the middle of it: how long it took."""
        began = time.monotonic()
        with Client(self._gateway.port) as client:
            client.send(request("GET", "/rest/items", ["Connection: close"]))
            assert client.answer().status == 200
            client.wait_end()
        return time.monotonic() - began

    def see_it_end(self) -> float:
        """Ask all the time until the gateway has got rid of everybody: how long that took."""
        began = time.monotonic()
        while self.open_connections:
            assert self.ask() < QUICK_SECONDS
            assert time.monotonic() - began < LARGEST_SECONDS, f"{self.open_connections} are still there"
        return time.monotonic() - began

    def found_it_available(self) -> bool:
        """What slowhttptest says of its probes, one each second, once all its connections are closed."""
        self._process.wait(LARGEST_SECONDS)
        with self._report.with_suffix(".csv").open() as report:
            probes = [row["Service Available"] for row in csv.DictReader(report)]
        return len(probes) > 1 and "0" not in probes

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def test_heads_that_drip_are_ended_by_the_heads_deadline(upstream: Upstream, tmp_path: Path) -> None:
    with under_attack(upstream, tmp_path, "-H", "-i", "1") as attack:
        attack.wait_begun()
        assert attack.see_it_end() < DEADLINE_SECONDS + LENIENCE_SECONDS
        assert attack.found_it_available()
        assert all(received.head.target == b"/items" for received in upstream.requests)


def test_bodies_that_stall_are_ended_by_the_bodys_deadline(upstream: Upstream, tmp_path: Path) -> None:
    with under_attack(upstream, tmp_path, "-B", "-i", "5", connections=2 * ATTACKERS) as attack:
        attack.wait_begun()
        assert attack.see_it_end() < DEADLINE_SECONDS + LENIENCE_SECONDS
        assert attack.found_it_available()


def test_bodies_that_drip_are_ended_by_their_least_rate(upstream: Upstream, tmp_path: Path) -> None:
    with under_attack(upstream, tmp_path, *DRIPS, connections=2 * ATTACKERS) as attack:
        attack.wait_begun()
        assert attack.see_it_end() < DEADLINE_SECONDS + LENIENCE_SECONDS
        assert attack.found_it_available()
    assert all(received.head.method == b"GET" for received in upstream.requests)


def test_bodies_that_drip_on_every_upstream_connection_keep_others_waiting_for_their_deadline(
    upstream: Upstream, tmp_path: Path
) -> None:
    with under_attack(upstream, tmp_path, *DRIPS, connections=MOST, attackers=MANY, seconds=LONGER) as attack:
        attack.wait_begun(MOST + FEW)
        assert attack.ask() < LONGER + LENIENCE_SECONDS


def test_answers_that_nobody_reads_are_ended_by_the_deadlines(upstream: Upstream, tmp_path: Path) -> None:
    slowly = ("-X", "-w", "10", "-y", "20", "-n", "1")
    with under_attack(upstream, tmp_path, *slowly, says=LARGE, connections=2 * ATTACKERS) as attack:
        attack.wait_begun()
        assert attack.see_it_end() < 2 * DEADLINE_SECONDS + LENIENCE_SECONDS
