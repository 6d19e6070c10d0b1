"""SIGTERM while many requests are under way: whatever reached the upstream is answered, and then it ends."""

import asyncio
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from harness.relay.client import is_refused, request
from harness.relay.deadlines import wait_until
from harness.relay.process import GatewayProcess, gateway_process
from harness.relay.tokens import VALID
from harness.relay.upstream import Upstream, answer
from harness.relay.websockets import AGREED, HANDSHAKE

from bench.soak.answers import Broken, read_answer
from bench.soak.asks import Ask

pytestmark = pytest.mark.anyio

CLIENTS = 40
DRAIN_SECONDS = 60  # more than a test waits: a drain that lasts until its deadline is seen
PATIENCE_SECONDS = 30  # on a machine that does much else


@dataclass
class SlowUpstream:
    """An upstream that takes its time, and remembers whom it has served."""

    served: set[bytes] = field(default_factory=set)
    answers_at: float = 0.0  # nobody before this time

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await self._body(reader, head)
                nonce = head.split(b"/soak/")[1][:16]
                self.served.add(nonce)
                await asyncio.sleep(max(random.random() * 0.1, self.answers_at - time.monotonic()))  # noqa: S311
                writer.write(answer(nonce + body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @staticmethod
    async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return await reader.readexactly(int(length or b"0"))


@dataclass
class Load:
    """Clients that ask without a pause until their connection ends."""

    port: int
    answered: set[bytes] = field(default_factory=set)
    lost: set[bytes] = field(default_factory=set)
    wrong: list[object] = field(default_factory=list)

    async def client(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while True:
                asks = [self._ask() for _ in range(random.choice((1, 1, 1, 3)))]  # noqa: S311
                nonces = [ask.nonce.encode() for ask in asks]
                self.lost.update(nonces)
                writer.write(b"".join(ask.head(VALID) + ask.framed_body() for ask in asks))
                for ask, nonce in zip(asks, nonces, strict=True):
                    got = await read_answer(reader, ask.method)
                    if (got.status, got.body) != (200, nonce + ask.framed_body()):
                        self.wrong.append((ask, got))
                    self.answered.add(nonce)
                    self.lost.discard(nonce)
                    if got.closes:
                        return
        except (Broken, ConnectionError):
            return
        finally:
            writer.close()

    @staticmethod
    def _ask() -> Ask:
        return Ask("POST", body=2_000) if random.random() < 0.3 else Ask()  # noqa: S311


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, condition, "the load", seconds=PATIENCE_SECONDS)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_drain_loses_nothing_that_the_upstream_saw(workers: int) -> None:
    slow = SlowUpstream()
    server = await asyncio.start_server(slow.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with gateway_process(url, workers=workers, drain_seconds=DRAIN_SECONDS) as gateway:
        load = Load(gateway.port)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CLIENTS):
                tasks.create_task(load.client())
            await until(lambda: len(load.answered) > 5 * CLIENTS)
            slow.answers_at = time.monotonic() + 0.5  # all of them are under way when it comes
            await until(lambda: len(load.lost) >= CLIENTS)
            gateway.terminate()
        status = await asyncio.to_thread(gateway.wait)
        output = gateway.log.read_text()
    server.close()
    assert not load.wrong
    assert not load.lost & slow.served  # what got no answer was never begun: its client may ask elsewhere
    assert slow.served <= load.answered
    assert status == 0
    assert "Traceback" not in output


def begun(gateway: GatewayProcess, upstream: Upstream) -> None:
    gateway.client().send(request("GET", "/rest/items"))
    upstream.accept().request()


def opened(gateway: GatewayProcess, upstream: Upstream) -> None:
    client = gateway.client()
    client.send(request("GET", "/live/feed", HANDSHAKE))
    end = upstream.accept()
    end.head()
    end.send(AGREED)
    client.take_until(b"\r\n\r\n")


def test_what_never_ends_is_cut_at_the_deadline(upstream: Upstream) -> None:
    routes = f"/live/ {upstream.url} required websocket"
    with gateway_process(upstream.url, routes=routes, drain_seconds=1) as gateway:
        for _ in range(10):
            begun(gateway, upstream)
            opened(gateway, upstream)
        gateway.terminate()
        began = time.monotonic()
        wait_until(lambda: gateway.process.poll() is not None, "its end")
        assert time.monotonic() - began > 0.8
        for client in gateway.clients:
            client.wait_end()
        assert "Traceback" not in gateway.log.read_text()


def test_a_second_interrupt_waits_for_nobody(upstream: Upstream) -> None:
    with gateway_process(upstream.url, drain_seconds=DRAIN_SECONDS) as gateway:
        begun(gateway, upstream)
        gateway.process.send_signal(signal.SIGINT)
        wait_until(lambda: is_refused(gateway.port), "new clients to be refused")
        assert gateway.process.poll() is None
        gateway.process.send_signal(signal.SIGINT)
        gateway.wait()
