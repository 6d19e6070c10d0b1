"""The gateway hears from Postgres which sessions end: at once, after an outage, from anybody's functions."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import anyio
import asyncpg
import pytest

from app.auth import listener
from app.auth.listener import CHANNEL, Connection, RevocationListener
from app.core.session.revocations import Revocations
from app.devstack import Database, free_port
from app.errors import RevocationsUnavailable
from app.events import Event, RevocationsConnected, RevocationsDisconnected

pytestmark = pytest.mark.anyio

DEADLINE_SECONDS = 10.0
LISTENER = "listener-under-test"


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 (no event tells of it)
            await anyio.sleep(0.005)


@asynccontextmanager
async def listening(dsn: str, ended: Revocations, schema: str = "own") -> AsyncIterator[list[Event]]:
    """A listener at work; what it observes."""
    events: list[Event] = []

    async def connect() -> Connection:
        return await asyncpg.connect(dsn, timeout=2, server_settings={"application_name": LISTENER})

    listener = RevocationListener(connect, ended, events.append, schema=schema)
    running = asyncio.create_task(listener.run())
    await listener.wait_first_attempt(DEADLINE_SECONDS)
    yield events
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.fixture
def own(database: Database) -> Database:
    """A database with somebody's own list of ended sessions."""
    database.execute("""
        create schema own;
        create table own.ended (sid text, seconds integer);
        create function own.ended_sessions() returns table (sid text, seconds integer)
          language sql stable security definer set search_path = pg_catalog, pg_temp
          as 'select e.sid, e.seconds from own.ended as e';
        grant usage on schema own to gateway;
        grant execute on function own.ended_sessions() to gateway;
    """)
    return database


def notify(database: Database, payload: str) -> None:
    database.fetch("select pg_notify($1, $2)", CHANNEL, payload)


def told(session: str, seconds: object = 600) -> str:
    return json.dumps({"sid": session, "seconds": seconds})


def cut(database: Database) -> None:
    database.fetch(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1", LISTENER
    )


async def test_the_end_of_a_session_is_heard(own: Database) -> None:
    ended = Revocations()
    async with listening(own.gateway_dsn, ended) as events:
        notify(own, told("s-1"))
        await until(lambda: "s-1" in ended)
        assert events == [RevocationsConnected(0)]


async def test_those_that_ended_before_are_known_from_the_start(own: Database) -> None:
    own.execute("insert into own.ended values ('s-1', 600), ('s-2', 1), ('past', 0)")
    ended = Revocations(refuse_unknown=True)
    async with listening(own.gateway_dsn, ended) as events:
        assert events == [RevocationsConnected(2)]
        assert ("s-1" in ended, "s-2" in ended, "past" in ended) == (True, True, False)
        assert "s-3" not in ended.revoked


@pytest.mark.parametrize(
    "payload",
    ["", "s-1", "[]", "null", "7", '{"sid":"s-1"}', '{"sid":7,"seconds":600}', told("s-1", "600"),
     told("s-1", -1), told("s-1", 1.5), "[" * 5000],
)  # fmt: skip
async def test_what_says_nothing_is_passed_over(own: Database, payload: str) -> None:
    ended = Revocations()
    async with listening(own.gateway_dsn, ended):
        notify(own, payload)
        notify(own, told("s-9"))
        await until(lambda: len(ended) > 0)
        assert ("s-1" in ended, len(ended)) == (False, 1)


async def test_what_was_missed_while_the_connection_was_lost_is_learnt_from_the_list(own: Database) -> None:
    ended = Revocations()
    async with listening(own.gateway_dsn, ended) as events:
        own.execute("insert into own.ended values ('missed', 600)")
        cut(own)
        await until(lambda: len(events) == 3)
        assert isinstance(events[1], RevocationsDisconnected)
        assert events[2] == RevocationsConnected(1)
        assert "missed" in ended
        notify(own, told("after"))
        await until(lambda: "after" in ended)


async def test_while_it_is_lost_sessions_are_unknown_if_so_wanted(own: Database) -> None:
    ended = Revocations(refuse_unknown=True)
    async with listening(own.gateway_dsn, ended) as events:
        known = ended.revoked
        own.execute("alter role gateway connection limit 0")
        try:
            cut(own)
            await until(lambda: ended.revoked is not known)
        finally:
            own.execute("alter role gateway connection limit -1")
        await until(lambda: ended.revoked is known)
        assert [type(event) for event in events] == [
            RevocationsConnected,
            RevocationsDisconnected,
            RevocationsConnected,
        ]


async def test_functions_of_ones_own_need_no_list(database: Database) -> None:
    ended = Revocations(refuse_unknown=True)
    async with listening(database.gateway_dsn, ended, "no_such_schema") as events:
        assert events == [RevocationsConnected(0)]
        notify(database, told("s-1"))
        await until(lambda: "s-1" in ended)


async def test_a_login_that_may_not_read_the_list_is_told_so_and_hears_all_the_same(own: Database) -> None:
    own.execute("revoke execute on function own.ended_sessions() from gateway, public")
    ended = Revocations()
    async with listening(own.gateway_dsn, ended) as events:
        (event,) = events
        assert isinstance(event, RevocationsDisconnected)
        assert "ended_sessions()" in event.reason
        notify(own, told("s-1"))
        await until(lambda: "s-1" in ended)


class Link:
    """A connection to a database that tells nothing. With an error, it fails when it is looked after."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def add_termination_listener(self, *_: object) -> None: ...

    async def add_listener(self, *_: object) -> None: ...

    async def fetch(self, *_: object) -> list[object]:
        return []

    async def execute(self, *_: object, **__: object) -> None:
        if self._error is not None:
            raise self._error

    def terminate(self) -> None: ...


async def test_whatever_a_driver_raises_it_is_deaf_and_listens_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_HEARTBEAT_SECONDS", 0.01)
    ended = Revocations(refuse_unknown=True)
    links: list[Link | Exception] = [
        Link(asyncpg.InternalClientError()),  # an answer for which its protocol has no state
        AttributeError("server_version"),  # a server that does not say which it is
        Link(),
    ]
    known: list[bool] = []
    events: list[Event] = []

    async def connect() -> Connection:
        known.append(ended.revoked is not ended._when_disconnected)
        link = links.pop(0)
        if isinstance(link, Exception):
            raise link
        return cast("Connection", link)

    running = asyncio.create_task(RevocationListener(connect, ended, events.append, schema="own").run())
    await until(lambda: len(events) == 3)
    assert events == [
        RevocationsConnected(0),
        RevocationsDisconnected("the driver fails (InternalClientError)"),
        RevocationsConnected(0),
    ]
    assert known == [False] * 3, "none is served while it does not hear"
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_without_a_database_nobody_waits_for_it() -> None:
    ended = Revocations(refuse_unknown=True)
    async with listening(f"postgresql://gateway@127.0.0.1:{free_port()}/app", ended) as events:
        (event,) = events
        assert isinstance(event, RevocationsDisconnected)
        with pytest.raises(RevocationsUnavailable):
            assert "s-1" in ended.revoked
