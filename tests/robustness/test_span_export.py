"""Spans on their way to a collector, by OTLP over HTTP: sent before the end, which waits for nobody."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from harness.relay.deadlines import wait_until
from harness.relay.process import GatewayProcess, gateway_process
from typing_extensions import override

END_SECONDS = 6.0  # 2 of which are for spans


class Collector(ThreadingHTTPServer):
    """Takes spans, and answers once it is allowed to."""

    daemon_threads = True

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.answers = Event()
        super().__init__(("127.0.0.1", 0), _Take)


class _Take(BaseHTTPRequestHandler):
    server: Collector  # type: ignore[mutable-override]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, body))
        self.server.answers.wait(30)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    @override
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = Thread(target=collector.serve_forever, args=(0.05,))
    thread.start()
    yield collector
    collector.answers.set()
    collector.shutdown()
    thread.join()
    collector.server_close()


@contextmanager
def traced(port: int) -> Iterator[GatewayProcess]:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_SERVICE_NAME": "the-name-of-the-gateway",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=a-test",
    }
    with gateway_process("http://127.0.0.1:1", environment=environment, traces="otel") as gateway:
        yield gateway


def end(gateway: GatewayProcess) -> float:
    """How long it took."""
    began = time.monotonic()
    gateway.terminate()
    wait_until(lambda: gateway.process.poll() is not None, "its end", seconds=30)
    assert gateway.process.returncode == 0
    assert "Traceback" not in gateway.log.read_text()
    return time.monotonic() - began


def test_spans_are_sent_with_what_the_sdks_variables_say(collector: Collector) -> None:
    collector.answers.set()
    with traced(collector.server_port) as gateway:
        assert gateway.client().ask("GET", "/rest/items").status == 502
        end(gateway)
    (path, *_), bodies = zip(*collector.taken, strict=True)
    assert path == "/v1/traces"
    sent = b"".join(bodies)
    for told in (
        b"GET rejected",
        b"GW300",
        b"/rest/items",
        b"the-name-of-the-gateway",
        b"a-test",
        b"postgate",
    ):
        assert told in sent


def test_the_end_does_not_wait_for_a_collector_that_hangs(collector: Collector) -> None:
    with traced(collector.server_port) as gateway:
        gateway.client().ask("GET", "/rest/items")
        assert end(gateway) < END_SECONDS
    assert collector.taken


def test_the_end_does_not_wait_for_a_collector_that_is_gone() -> None:
    with traced(1) as gateway:
        gateway.client().ask("GET", "/rest/items")
        assert end(gateway) < END_SECONDS
