"""Large bodies cross in a small, constant space: measured on a gateway in a process of its own."""

import threading
from collections.abc import Iterator

import pytest
from harness.relay.client import CHUNKED, request
from harness.relay.process import GatewayProcess, gateway_process
from harness.relay.upstream import OK, Upstream
from harness.relay.wire import Wire

LARGE = 64 << 20
PIECE = b"x" * 262_144
GROWTH_AT_MOST = 12 << 20


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def gateway(upstream: Upstream) -> Iterator[GatewayProcess]:
    with gateway_process(upstream.url) as gateway:
        yield gateway


def pour(wire: Wire, *, chunks: bool) -> threading.Thread:
    """Send 64 MiB in a thread of its own."""

    def send() -> None:
        for _ in range(LARGE // len(PIECE)):
            wire.sock.sendall(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunks else PIECE)
        if chunks:
            wire.sock.sendall(b"0\r\n\r\n")

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


def drain(wire: Wire, count: int, gateway: GatewayProcess) -> int:
    """Read at least `count` bytes and keep none; the most memory that the gateway had meanwhile."""
    most = 0
    while count > 0:
        data = wire.sock.recv(1 << 20)
        assert data, "the connection ended early"
        count -= len(data)
        most = max(most, gateway.rss)
    return most


@pytest.mark.parametrize("chunks", [False, True], ids=["sized", "chunked"])
def test_a_large_download_costs_no_memory(upstream: Upstream, gateway: GatewayProcess, chunks: bool) -> None:  # noqa: FBT001
    with gateway.client() as client:
        client.send(request("GET", "/rest/items"))
        end = upstream.accept()
        end.request()
        before = gateway.rss
        framing = b"Transfer-Encoding: chunked" if chunks else b"Content-Length: %d" % LARGE
        end.send(b"HTTP/1.1 200 OK\r\n%b\r\nConnection: close\r\n\r\n" % framing)
        sender = pour(end, chunks=chunks)
        assert drain(client, LARGE, gateway) - before < GROWTH_AT_MOST
        sender.join(1)


@pytest.mark.parametrize("chunks", [False, True], ids=["sized", "chunked"])
def test_a_large_upload_costs_no_memory(upstream: Upstream, gateway: GatewayProcess, chunks: bool) -> None:  # noqa: FBT001
    with gateway.client() as client:
        client.send(request("POST", "/rest/items", [CHUNKED if chunks else f"Content-Length: {LARGE}"]))
        end = upstream.accept()
        end.head()
        before = gateway.rss
        sender = pour(client, chunks=chunks)
        assert drain(end, LARGE, gateway) - before < GROWTH_AT_MOST
        sender.join(1)
        end.send(OK[:-2].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"[]")
        client.wait_end() if client.answer("POST").head.closes else client.close()


def test_a_thousand_idle_clients_cost_little(gateway: GatewayProcess, upstream: Upstream) -> None:
    before = gateway.rss
    clients = [gateway.client() for _ in range(1000)]
    clients[-1].send(request("GET", "/rest/items", token=None))
    assert clients[-1].answer().status == 401
    assert gateway.rss - before < 25 << 20
    for client in clients:
        client.close()
