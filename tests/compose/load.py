"""Clients that ask without a pause, and judge every answer: it has to be the one to their own question.

What they send is told apart by a nonce, which the database keeps; a second kind asks with an ended session.
"""

import asyncio
import itertools
import json
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from bench.soak.answers import Broken, Wrong, read_answer

CLIENTS = 16
PATIENCE_SECONDS = 15
REFUSED_PAUSE_SECONDS = 0.05

# What PostgREST 12 says of a statement whose connection to Postgres broke; later ones say 503
LOST_BY_POSTGREST = 400, b'{"code":"","details":null,"hint":null,"message":""}'

SCHEMA = """
create table api.asked (nonce text primary key);
create function api.ask(nonce text) returns json
  language plpgsql security definer set search_path = pg_catalog, pg_temp
  as $$
begin
  insert into api.asked values (nonce);
  return json_build_object('nonce', nonce, 'username', api.username());
end $$;
grant execute on function api.ask(text) to basic_subscriber;
create function api.nap(seconds integer) returns void
  language sql return (select pg_catalog.pg_sleep(seconds) is null);
grant execute on function api.nap(integer) to basic_subscriber;
grant insert on api.asked to basic_subscriber;
notify pgrst, 'reload schema';
"""


@dataclass
class Load:
    """Run in a thread of its own: `with Load(...) as load` until what is tested has happened."""

    host: str
    port: int
    live: str  # the Cookie of a live session of the user demo
    ended: str  # the Cookie of one that has ended: an access token that would still be valid
    answered: dict[str, int] = field(default_factory=dict)  # nonce: status
    unanswered: set[str] = field(default_factory=set)  # sent as a whole, and the connection ended
    refused: int = 0  # connections
    failed: int = 0  # answers that say so
    wrong: list[object] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def good(self) -> int:
        return sum(status == 200 for status in list(self.answered.values()))

    @property
    def statuses(self) -> set[int]:
        return set(self.answered.values())

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(CLIENTS):
                tasks.create_task(self._client(is_live=number % 4 != 0))

    async def _client(self, *, is_live: bool) -> None:
        while not self._stop.is_set():
            try:
                reader, writer = await asyncio.open_connection(self.host, self.port)
            except OSError:
                self.refused += 1
                await asyncio.sleep(REFUSED_PAUSE_SECONDS)
                continue
            try:
                await self._ask_on(reader, writer, is_live=is_live)
            except Wrong as wrong:
                self.wrong.append(wrong)
            except (Broken, ConnectionError):
                await asyncio.sleep(REFUSED_PAUSE_SECONDS)
            except TimeoutError:
                self.wrong.append("no answer, and no end")
            finally:
                writer.close()

    async def _ask_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_live: bool
    ) -> None:
        while not self._stop.is_set():
            nonce = f"{'live' if is_live else 'ended'}-{id(self)}-{next(self._numbers)}"
            self.unanswered.add(nonce)
            writer.write(self._request(nonce, self.live if is_live else self.ended))
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await read_answer(reader, "POST")
            self.unanswered.discard(nonce)
            self.answered[nonce] = answer.status
            self._judge(nonce, answer.status, answer.body, is_live=is_live)
            if answer.closes:
                return
            if answer.status != 200:
                await asyncio.sleep(REFUSED_PAUSE_SECONDS)

    def _request(self, nonce: str, cookie: str) -> bytes:
        body = json.dumps({"nonce": nonce})
        return (
            f"POST /rpc/ask HTTP/1.1\r\nHost: {self.host}\r\nCookie: {cookie}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _judge(self, nonce: str, status: int, body: bytes, *, is_live: bool) -> None:
        if status >= 500 or (status, body) == LOST_BY_POSTGREST:
            self.failed += 1
            return
        if is_live:
            right = status == 200 and json.loads(body) == {"nonce": nonce, "username": "demo"}
        else:
            right = status == 401
        if not right:
            self.wrong.append((nonce, status, body))
