"""SIGTERM: what is under way is finished, what is idle is closed, what is new is refused, and no more."""

from collections.abc import Iterator

import pytest
from harness.relay.client import CHUNKED, Client, is_refused, request
from harness.relay.deadlines import wait_until
from harness.relay.process import GatewayProcess, gateway_process
from harness.relay.upstream import OK, Upstream, answer
from harness.relay.wire import Ending

SOME_SECONDS = 60  # more than a test waits


@pytest.fixture
def gateway(upstream: Upstream) -> Iterator[GatewayProcess]:
    with gateway_process(upstream.url, drain_seconds=SOME_SECONDS) as gateway:
        yield gateway


def test_it_drains(upstream: Upstream, gateway: GatewayProcess) -> None:
    idle, waiting, reading, sending, piped = (gateway.client() for _ in range(5))
    waiting.send(request("GET", "/rest/waiting"))
    at_waiting = upstream.accept()
    at_waiting.request()
    reading.send(request("GET", "/rest/reading"))
    at_reading = upstream.accept()
    at_reading.request()
    at_reading.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n12")
    reader = reading.answering()
    reader.body_of(2)
    sending.send(request("POST", "/rest/sending", [CHUNKED]) + b"2\r\nab\r\n")
    at_sending = upstream.accept()
    at_sending.head()
    at_sending.chunk()
    piped.send(request("GET", "/rest/piped") * 2)
    at_piped = upstream.accept()
    at_piped.request()

    gateway.terminate()
    assert idle.ends_silently()
    wait_until(lambda: is_refused(gateway.port), "new clients to be refused")
    assert gateway.process.poll() is None

    at_waiting.send(answer(b"waited"))
    got = waiting.answer()
    assert (got.body, got.head.closes) == (b"waited", True)
    assert waiting.wait_end() is Ending.CLOSED
    at_reading.send(b"34")
    assert reader.whole().body == b"1234"
    assert reading.wait_end() is Ending.CLOSED
    sending.send(b"2\r\ncd\r\n0\r\n\r\n")
    assert at_sending.chunk() == b"cd"
    assert at_sending.chunk() == b""
    at_sending.send(OK)
    assert sending.answer("POST").status == 200
    assert sending.wait_end() is Ending.CLOSED
    at_piped.send(answer(b"1"))
    assert piped.answer().body == b"1"
    at_piped.request()
    at_piped.send(answer(b"2"))
    assert piped.answer().body == b"2"
    piped.wait_end()
    assert gateway.wait() == 0
    assert "Traceback" not in gateway.log.read_text()


def test_the_admin_listener_says_so_to_the_last(upstream: Upstream, gateway: GatewayProcess) -> None:
    client = gateway.client()
    client.send(request("GET", "/rest/items"))
    end = upstream.accept()
    end.request()
    gateway.terminate()
    wait_until(lambda: is_refused(gateway.port), "new clients to be refused")
    with Client(gateway.admin_port) as admin:
        assert admin.ask("GET", "/live", token=None).status == 200
        ready = admin.ask("GET", "/ready", token=None)
        assert (ready.status, b'"serving":false' in ready.body) == (503, True)
    end.send(OK)
    assert client.answer().status == 200
    client.wait_end()
    assert gateway.wait() == 0


def test_a_kept_client_that_is_idle_is_closed_at_once(upstream: Upstream, gateway: GatewayProcess) -> None:
    client = gateway.client()
    with upstream.serving():
        assert client.ask("GET", "/rest/items").status == 200
        gateway.terminate()
        assert client.ends_silently()
    assert gateway.wait() == 0


def test_half_a_request_head_does_not_hold_it_up(upstream: Upstream, gateway: GatewayProcess) -> None:
    client = gateway.client()
    client.send(request("GET", "/rest/items")[:-10])
    client.close()
    gateway.terminate()
    assert gateway.wait() == 0


def test_what_does_not_end_is_ended(upstream: Upstream) -> None:
    with gateway_process(upstream.url, drain_seconds=1) as gateway:
        client = gateway.client()
        client.send(request("GET", "/rest/items"))
        end = upstream.accept()
        end.request()
        gateway.terminate()
        gateway.wait()
        got = client.answer()
        assert (got.status, got.head.closes) == (503, True)
        assert end.ends_silently()
        assert '"reason":"drain deadline"' in gateway.log.read_text()


def test_an_answer_that_the_end_cuts_looks_cut_to_the_client_and_in_the_log(upstream: Upstream) -> None:
    """Closing is how an answer without a length ends for HTTP/1.0: only a reset tells that it did not."""
    with gateway_process(upstream.url, drain_seconds=1) as gateway:
        client = gateway.client()
        client.send(request("GET", "/rest/items", version="1.0"))
        end = upstream.accept()
        end.request()
        end.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        client.take_until(b"hello")
        gateway.terminate()
        gateway.wait()
        assert client.wait_end() is Ending.RESET
        assert '"event":"relay_aborted"' in gateway.log.read_text()
