"""Faults of clients."""

import socket
import threading
import time

from harness.relay.client import CHUNKED, Client, request
from harness.relay.deadlines import wait_until
from harness.relay.process import gateway_process
from harness.relay.upstream import OK, Upstream, answer

from app.events import RelayAborted, RequestRejected
from cases.stage import Stage, fault, hung_up

SMUGGLED = request("DELETE", "/rest/smuggled")


@fault("C35")
def an_upload_cut_short(stage: Stage) -> None:
    for framing, part in (("Content-Length: 10", b"abc"), (CHUNKED, b"3\r\nabc\r\n")):
        client, upstream = stage.lane.relaying(request("POST", "/rest/items", [framing]) + part)
        upstream.head()
        client.close()
        upstream.wait_end()
        assert upstream.unread == part
    stage.check_goes_on()


@fault("C47")
def an_expectation(stage: Stage) -> None:
    expecting = ["Expect: 100-continue", "Content-Length: 2"]
    refused = stage.lane.client()
    refused.send(request("POST", "/rest/items", expecting, token=None))
    got = refused.answer("POST")
    assert (got.status, got.interim) == (401, ())
    client = stage.lane.client()
    client.send(request("POST", "/rest/items", expecting))
    reader = client.answering("POST")
    assert reader.interim().status == 100
    assert stage.lane.upstream.nobody_knocks
    client.send(b"{}")
    upstream = stage.lane.upstream.accept()
    received = upstream.request()
    assert (received.body, b"expect" in received.head.names) == (b"{}", False)
    upstream.send(OK)
    assert reader.whole().status == 200


@fault("C49")
def an_expected_body_that_never_comes(stage: Stage) -> None:
    lane = stage.lane_with(body_stall_seconds=0.2)
    client = lane.client()
    client.send(request("POST", "/rest/items", ["Expect: 100-continue", "Content-Length: 1000"]))
    assert client.answer("POST").status == 408
    assert lane.upstream.nobody_knocks


@fault("C50")
def an_upload_that_is_refused_while_it_comes(stage: Stage) -> None:
    client = stage.lane.client()
    client.send(request("POST", "/rest/items", ["Content-Length: 100000000"], token=None) + b"x" * 1000)
    got = client.answer("POST")
    assert (got.status, got.head.closes) == (401, True)
    sent = 0
    with hung_up():
        while sent < 100_000_000:
            sent += client.sock.send(SMUGGLED * 100)
    assert sent < 64_000_000
    client.wait_end()
    assert client.unread == b""
    assert stage.lane.upstream.nobody_knocks


@fault("G01")
def slow_heads(stage: Stage) -> None:
    lane = stage.lane_with(head_seconds=0.5)
    slow = [lane.client() for _ in range(100)]
    for client in slow:
        client.send(b"GET /rest/items HTTP/1.1\r\nX-A: ")
    began = time.monotonic()
    with lane.upstream.serving():
        served = lane.client()
        while not lane.gateway.events_of(RequestRejected):
            for client in slow:
                with hung_up():
                    client.send(b"1")
            assert served.ask("GET", "/rest/items").status == 200
        assert time.monotonic() - began < 5
    for client in slow:
        assert client.answer().status == 408
        client.wait_end()


@fault("G05")
def a_huge_upload(stage: Stage) -> None:
    piece = b"40000\r\n" + b"x" * 262_144 + b"\r\n"
    upstream = Upstream()
    with gateway_process(upstream.url) as gateway:
        client = gateway.client()
        client.send(request("POST", "/rest/items", [CHUNKED]))
        end = upstream.accept()
        end.head()
        before = most = gateway.rss
        sender = threading.Thread(target=client.sock.sendall, args=(piece * 512,), daemon=True)
        sender.start()
        left = 128 << 20
        while left > 0:
            left -= len(end.sock.recv(1 << 20))
            most = max(most, gateway.rss)
        sender.join(5)
    upstream.close()
    assert most - before < 64 << 20


@fault("G07")
def more_connections_than_files(stage: Stage) -> None:
    upstream = Upstream()
    with gateway_process(upstream.url, files=64) as gateway, upstream.serving():
        waiting = [gateway.client() for _ in range(150)]
        busy = gateway.cpu_seconds
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 0.5, "half a second under pressure")
        assert gateway.cpu_seconds - busy < 0.3
        for client in waiting:
            client.close()
        wait_until(lambda: gateway.open_files < 30, "the connections to be let go")
        assert gateway.client().ask("GET", "/rest/items").status == 200
    upstream.close()


@fault("G08")
def too_many_connections(stage: Stage) -> None:
    lane = stage.lane_with(connections=3)
    for _ in range(3):
        lane.client()
    wait_until(lambda: len(lane.gateway.gateway.connections) == 3, "three clients")
    began = time.monotonic()
    got = lane.client().answer()
    assert time.monotonic() - began < 1
    assert (got.status, got.head.closes) == (503, True)
    assert got.head.value(b"Retry-After")
    with Client(lane.gateway.admin_port) as admin:
        assert admin.ask("GET", "/live", token=None).status == 200


@fault("G09")
def an_endless_head(stage: Stage) -> None:
    client = stage.lane.client()
    client.send(b"GET /rest/items HTTP/1.1\r\nHost: gw.test\r\nX: ")
    sent = 0
    with hung_up():
        while sent < 100 << 20:
            sent += client.sock.send(b"a" * 65_536)
    assert sent < 32 << 20
    client.wait_end()
    assert stage.lane.gateway.wait_event(RequestRejected).status == 431


@fault("G10")
def it_leaves_before_the_answer(stage: Stage) -> None:
    for leave in (Client.close, Client.reset):
        client, upstream = stage.lane.relaying()
        upstream.request()
        began = time.monotonic()
        leave(client)
        upstream.wait_end()
        assert time.monotonic() - began < 1


@fault("G11")
def it_leaves_within_the_answer(stage: Stage) -> None:
    lane = stage.lane_with(upstream_connections=2)
    for _ in range(40):
        client, upstream = lane.relaying()
        upstream.request()
        upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000)
        client.answering().body_of(1)
        client.reset()
        upstream.wait_end()
    wait_until(lambda: lane.gateway.is_quiet, "everything to be let go")
    assert len(lane.gateway.events_of(RelayAborted)) == 40
    stage.check_goes_on(lane)


@fault("G13")
def it_closes_its_sending_side(stage: Stage) -> None:
    client, upstream = stage.lane.relaying()
    client.half_close()
    upstream.request()
    upstream.send(answer(b"still"))
    assert client.answer().body == b"still"


@fault("G52")
def a_mixture_of_everything(stage: Stage) -> None:
    """A short soak: files, and what is lent, return to where they were."""
    upstream = Upstream()
    with (
        gateway_process(upstream.url, body_bytes=100_000, upstream_idle_seconds=0.1) as gateway,
        upstream.serving(),
    ):
        gateway.client().ask("GET", "/rest/items")
        before = gateway.open_files
        for number in range(120):
            _misbehave(gateway.port, number % 6)
        wait_until(lambda: gateway.open_files <= before + 2, "the files to be closed")
        assert gateway.client().ask("GET", "/rest/items").status == 200
        assert "Traceback" not in gateway.log.read_text()
    upstream.close()


def _misbehave(port: int, how: int) -> None:
    client = Client(port)
    match how:
        case 0:
            assert client.ask("GET", "/rest/items").status == 200
        case 1:
            client.send(request("GET", "/rest/items"))
        case 2:
            client.send(request("POST", "/rest/items", [CHUNKED]) + b"5\r\nabc")
        case 3:
            client.send(b"GET /rest/items HTTP/1.1\r\nX")
            client.reset()
        case 4:
            client.send(b"\x16\x03\x01 nonsense\r\n\r\n")
            client.wait_end()
        case _:
            client.send(request("POST", "/rest/items", ["Content-Length: 1000000"]))
            client.sock.shutdown(socket.SHUT_WR)
    client.close()
