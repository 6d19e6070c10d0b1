"""A process takes another's place behind one port, under load: no request is lost, no connection reset."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from harness.relay.client import is_refused, request
from harness.relay.deadlines import wait_until
from harness.relay.process import GatewayProcess, gateway_process
from harness.relay.tokens import VALID
from harness.relay.upstream import OK, Upstream

from bench.soak.answers import read_answer

pytestmark = pytest.mark.anyio

KEPT = 20  # clients that keep their connections
BRIEF = 4  # and some that open one for each request
PATIENCE_SECONDS = 60  # on a machine that does much else
DRAIN_SECONDS = 60  # more than a test waits: a drain that lasts until its deadline is seen


@dataclass
class Load:
    """Clients that ask without a pause, and take no `Connection: close` amiss, but anything else."""

    port: int
    over: bool = False
    answered: Counter[str] = field(default_factory=Counter)  # by the process, as its request ids begin
    failed: list[str] = field(default_factory=list)

    async def keep_asking(self, *, brief: bool) -> None:
        while not self.over:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                while not await self._ask(reader, writer):
                    if brief or self.over:
                        break
            except Exception as error:  # noqa: BLE001  whatever it is, a request was lost
                self.failed.append(repr(error))
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether this was the connection's last answer."""
        writer.write(request("GET", "/rest/items", token=VALID))
        async with asyncio.timeout(PATIENCE_SECONDS):
            got = await read_answer(reader, "GET")
        if got.status != 200:
            self.failed.append(f"{got.status}")
        self.answered[got.fields["x-request-id"].partition("-")[0]] += 1
        return got.closes


@dataclass
class Answering:
    """An upstream that answers everything."""

    open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(0.002)
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.open -= 1


async def until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, what, seconds=PATIENCE_SECONDS)


def is_listening(gateway: GatewayProcess, workers: int) -> bool:
    return gateway.log.read_text().count('"event":"listening"') == workers


@pytest.mark.parametrize("workers", [1, 2])
async def test_one_process_after_the_other_takes_over_and_nobody_notices(workers: int) -> None:
    answering = Answering()
    upstream = await asyncio.start_server(answering.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
    settings: dict[str, Any] = {"workers": workers, "reuse_port": "true", "drain_seconds": DRAIN_SECONDS}
    with ExitStack() as stack:
        old = await asyncio.to_thread(stack.enter_context, gateway_process(url, **settings))
        await until(lambda: is_listening(old, workers), "the first")
        load = Load(old.port)
        async with asyncio.TaskGroup() as tasks:
            for number in range(KEPT + BRIEF):
                tasks.create_task(load.keep_asking(brief=number < BRIEF))
            seen = set(load.answered)
            new = await asyncio.to_thread(
                stack.enter_context, gateway_process(url, port=old.port, **settings)
            )
            await until(lambda: is_listening(new, workers), "the next")
            before = load.answered.total()
            await until(lambda: load.answered.total() > before + 200, "load on both")
            old.terminate()
            assert await asyncio.to_thread(old.wait) == 0
            assert "Traceback" not in old.log.read_text()
            await until(lambda: set(load.answered) - seen, "answers by the next")
            before = load.answered.total()
            await until(lambda: load.answered.total() > before + 200, "more of them")
            load.over = True
    upstream.close()
    await until(lambda: answering.open == 0, "the upstream's connections to end")
    assert load.failed == []
    assert len(load.answered) >= 2


def test_a_request_that_is_on_its_way_when_the_end_begins_is_answered_and_told_that_it_is_the_last(
    upstream: Upstream,
) -> None:
    with gateway_process(upstream.url, drain_seconds=DRAIN_SECONDS) as gateway, upstream.serving():
        kept, idle = gateway.client(), gateway.client()
        for client in (kept, idle):
            assert not client.ask("GET", "/rest/items").head.closes
        gateway.terminate()
        wait_until(lambda: is_refused(gateway.port), "the listener to close")
        assert kept.ask("GET", "/rest/items").head.closes
        assert idle.ends_silently()
        assert gateway.wait() == 0


def test_an_answer_that_has_begun_when_the_end_begins_is_not_the_last_as_it_has_not_said_so(
    upstream: Upstream,
) -> None:
    with gateway_process(upstream.url, drain_seconds=DRAIN_SECONDS) as gateway:
        client = gateway.client()
        client.send(request("GET", "/rest/items"))
        end = upstream.accept()
        end.request()
        end.send(OK[:-1])
        reading = client.answering()
        assert not reading.head().closes
        gateway.terminate()
        wait_until(lambda: is_refused(gateway.port), "the listener to close")
        end.send(OK[-1:])
        assert reading.whole().status == 200
        client.send(request("GET", "/rest/items"))
        end.request()
        end.send(OK)
        assert client.answer().head.closes
        assert gateway.wait() == 0
