"""Callers that never rest: each asks a real PostgREST for a nonce, over and over, in a thread of its own."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.relay.deadlines import wait_until

from bench.soak.answers import Answer, Broken, read_answer
from bench.soak.asks import new_nonce

ROLE = "basic_subscriber"
AWAY = {502, 503}
PAUSE_SECONDS = 0.005
PATIENCE_SECONDS = 30  # on a machine that does much else


class Failure(NamedTuple):
    """A request that was not answered well; `status` 0: its connection ended."""

    began: float
    ended: float
    method: str
    status: int


@dataclass
class Callers:
    """What came of it. `told` are the writes that were answered."""

    port: int
    token: str
    times: list[float] = field(default_factory=list)  # of the right answers
    told: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    wrong: list[object] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def calling(self, count: int) -> Iterator[None]:
        """Call until the block ends. Everybody has been answered once when it begins."""
        thread = threading.Thread(target=asyncio.run, args=(self._call(count),))
        thread.start()
        try:
            self.wait_for_more(2 * count)
            yield
        finally:
            self._stop.set()
            thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()

    def wait_for_more(self, count: int) -> None:
        wanted = len(self.times) + count
        wait_until(lambda: len(self.times) >= wanted, f"{count} more answers", seconds=PATIENCE_SECONDS)

    def answered_first(self, since: float) -> float:
        """When the first right answer came since then."""
        return next(moment for moment in self.times if moment > since)

    @property
    def statuses(self) -> Counter[int]:
        return Counter(failure.status for failure in self.failures)

    async def _call(self, count: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(count):
                tasks.create_task(self._one(writes=number % 3 == 0))

    async def _one(self, *, writes: bool) -> None:
        while not self._stop.is_set():
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                while await self._ask(reader, writer, writes=writes):
                    if self._stop.is_set():
                        return
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, writes: bool) -> bool:
        """One request. Whether the connection goes on."""
        nonce, method, began = new_nonce(), "POST" if writes else "GET", time.monotonic()
        try:
            writer.write(self._request(nonce, writes=writes))
            got = await read_answer(reader, method)
        except (Broken, ConnectionError):
            self.failures.append(Failure(began, time.monotonic(), method, 0))
            return False
        self._judge(got, nonce, method, began)
        if got.status != 200:
            await asyncio.sleep(PAUSE_SECONDS)
        return not got.closes

    def _judge(self, got: Answer, nonce: str, method: str, began: float) -> None:
        expected = nonce if method == "POST" else f"{nonce} {ROLE}"
        if got.status == 200 and json.loads(got.body) == expected:
            self.times.append(time.monotonic())
            if method == "POST":
                self.told.add(nonce)
        elif got.status in AWAY and set(json.loads(got.body)) == {"code", "message", "details", "hint"}:
            self.failures.append(Failure(began, time.monotonic(), method, got.status))
        else:
            self.wrong.append((nonce, got))

    def _request(self, nonce: str, *, writes: bool) -> bytes:
        common = f"Host: gw.test\r\nCookie: access_token={self.token}\r\n"
        if not writes:
            return f"GET /rest/rpc/echo?nonce={nonce} HTTP/1.1\r\n{common}\r\n".encode()
        body = json.dumps({"nonce": nonce})
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"POST /rest/rpc/tell HTTP/1.1\r\n{common}{kind}\r\n{body}".encode()
