"""Several processes behind one port: both serve, a dead one is replaced, and they end together."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from harness.relay.answers import AnswerCut
from harness.relay.client import Client, is_refused, request
from harness.relay.deadlines import wait_until
from harness.relay.process import GatewayProcess, gateway_process
from harness.relay.upstream import OK, Upstream, UpstreamEnd

WORKERS = 2
START_SECONDS = 60


@pytest.fixture
def gateway(upstream: Upstream) -> Iterator[GatewayProcess]:
    with gateway_process(upstream.url, workers=WORKERS, drain_seconds=60) as gateway:
        members = set(workers_of(gateway))
        yield gateway
        members |= set(workers_of(gateway))
    for pid in members:
        wait_until(lambda: not is_running(pid), "every worker to be gone", seconds=START_SECONDS)  # noqa: B023


def workers_of(gateway: GatewayProcess) -> list[int]:
    """The parent's children that serve. (One more tracks resources, for Python's own use.)"""
    found = []
    for listed in Path(f"/proc/{gateway.process.pid}/task").glob("*/children"):
        found += [int(pid) for pid in listed.read_text().split()]
    return sorted(pid for pid in found if b"spawn_main" in command_of(pid))


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def served_by(client: Client) -> bytes:
    """Which worker serves a connection: each has its own beginning of request ids."""
    client.send(request("GET", "/rest/items", token=None))
    return client.answer().head.value(b"x-request-id").partition(b"-")[0]


def both_serve(gateway: GatewayProcess) -> dict[bytes, Client]:
    """A connection to each of two workers."""
    found: dict[bytes, Client] = {}

    def look() -> bool:
        client = gateway.client()
        if found.setdefault(served_by(client), client) is not client:
            client.close()
        return len(found) == WORKERS

    wait_until(look, "both workers to serve", seconds=START_SECONDS)
    return found


def begin(client: Client, upstream: Upstream) -> UpstreamEnd:
    """A request that is under way."""
    client.send(request("GET", "/rest/items"))
    end = upstream.accept()
    end.request()
    return end


def test_both_serve_and_both_drain(gateway: GatewayProcess, upstream: Upstream) -> None:
    clients = list(both_serve(gateway).values())
    idle = gateway.client()
    ends = [begin(client, upstream) for client in clients]
    members = workers_of(gateway)
    assert len(members) == WORKERS
    gateway.terminate()
    assert idle.ends_silently()
    wait_until(lambda: is_refused(gateway.port), "new clients to be refused")
    assert gateway.process.poll() is None
    for client, end in zip(clients, ends, strict=True):
        end.send(OK)
        got = client.answer()
        assert (got.status, got.head.closes) == (200, True)
        client.wait_end()
    assert gateway.wait() == 0
    assert not [pid for pid in members if is_running(pid)]
    assert "Traceback" not in gateway.log.read_text()


def test_a_killed_worker_is_replaced_and_the_other_goes_on(
    gateway: GatewayProcess, upstream: Upstream
) -> None:
    for victim in workers_of(gateway):
        clients = both_serve(gateway)
        old = set(workers_of(gateway))
        ends = {name: begin(client, upstream) for name, client in clients.items()}
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not is_running(victim), "its end")  # noqa: B023
        assert served_by(gateway.client())  # by the other, or by whoever has taken its place
        assert sum(is_answered(client, ends[name]) for name, client in clients.items()) == 1
        wait_until(lambda: set(workers_of(gateway)) - old, "another worker", seconds=START_SECONDS)  # noqa: B023
        assert old - {victim} < set(workers_of(gateway))
        assert len(set(both_serve(gateway)) & set(clients)) == 1
        upstream.close_connections()  # the next round's are new ones
    assert gateway.process.poll() is None


def is_answered(client: Client, end: UpstreamEnd) -> bool:
    """Whether a request that was under way is, now that the upstream answers; else its connection ended."""
    with suppress(OSError):
        end.send(OK)
    try:
        return client.answer().status == 200
    except AnswerCut:
        return False


def scraped(gateway: GatewayProcess, name: str) -> float:
    """A metric as one of the workers tells it: any of them may be the one that is asked."""
    with Client(gateway.admin_port) as admin:
        text = admin.ask("GET", "/metrics", token=None).body.decode()
    samples = [line.rpartition(" ") for line in text.splitlines() if line.startswith(name)]
    return sum(float(value) for _, _, value in samples)


def test_metrics_are_of_all_workers_and_never_go_back(gateway: GatewayProcess, upstream: Upstream) -> None:
    relayed, refused = "gateway_requests_relayed_total", "gateway_requests_rejected_total"
    done = 0

    def relay(clients: dict[bytes, Client]) -> None:
        nonlocal done
        for number, client in enumerate(clients.values(), 1):
            for _ in range(number):
                assert client.ask("GET", "/rest/items").status == 200
            done += number

    with upstream.serving():
        relay(both_serve(gateway))
        wait_until(lambda: scraped(gateway, relayed) == done, "the sum of both")
        assert {scraped(gateway, relayed) for _ in range(20)} == {done}
        assert scraped(gateway, "gateway_relay_duration_seconds_count") == done
        assert scraped(gateway, "gateway_workers") == WORKERS
        assert scraped(gateway, "gateway_client_connections") >= WORKERS
        last = scraped(gateway, refused)
        for victim in workers_of(gateway):
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: not is_running(victim), "its end")  # noqa: B023
            clients = both_serve(gateway)
            assert scraped(gateway, relayed) == done
            now = scraped(gateway, refused)
            assert now >= last
            last = now
            relay(clients)
            wait_until(lambda: scraped(gateway, relayed) == done, "the sum of both again")
    assert scraped(gateway, "gateway_worker_starts_total") == 2 * WORKERS


def test_without_their_parent_they_finish_what_they_do_and_end(
    gateway: GatewayProcess, upstream: Upstream
) -> None:
    clients = list(both_serve(gateway).values())
    ends = [begin(client, upstream) for client in clients]
    members = workers_of(gateway)
    os.kill(gateway.process.pid, signal.SIGKILL)
    gateway.wait()
    for client, end in zip(clients, ends, strict=True):
        end.send(OK)
        assert client.answer().status == 200
    wait_until(lambda: not any(map(is_running, members)), "every worker to end", seconds=START_SECONDS)
    assert is_refused(gateway.port)
    assert is_refused(gateway.admin_port)
