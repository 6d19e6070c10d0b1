"""Nothing that a login can plant in the database captures a statement of the gateway.

The intruder plants shadows of everything these statements use, then the path of the gateway's login, of the
database, of the anonymous role and of the called functions leads to them before it leads to pg_catalog. The
functions themselves have a path without them: what a function's body names is its author's to qualify.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
from harness.shadows import FOUND_FIRST, INTRUDER, Shadows, plant

from app.auth.functions import AuthFunctions
from app.auth.limits.records import FailureRecords
from app.auth.listener import RevocationListener
from app.auth.replies import Reply
from app.auth.transactions import reset_session
from app.core.session.revocations import Revocations
from app.devstack import DevStack
from app.wiring.probes import postgres_probe

from .agreed import ALL
from .calling import CSV, JSON, Request, comparable, post, through_gateway
from .conftest import SETTINGS, MakeRecipes, Pool
from .test_differences import DIFFERENCES

pytestmark = pytest.mark.anyio

PATH = f"{INTRUDER}, public, pg_catalog"

# The bodies of the functions keep to a path of their authors', without what the intruder may write to
AUTHORS_PATH = """
create schema vendor;
grant usage on schema vendor to public;
alter extension pgcrypto set schema vendor;
do $$
declare
  routine regprocedure;
begin
  for routine in
    select oid from pg_proc
      where prokind = 'f' and pronamespace in ('auth'::regnamespace, 'docs'::regnamespace)
  loop
    execute format('alter function %s set search_path = pg_catalog, auth, vendor, pg_temp', routine);
  end loop;
end $$;
"""
OWN_FUNCTIONS = """
create domain auth.short as text check (length(value) < 200);
create table auth.noted (kind text);
create function auth.note_failure(text, text, text, text) returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$ insert into auth.noted values ($1) $$;
create function auth.ended_sessions() returns table (sid auth.short, seconds int)
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$ select '01', 60 $$;
grant usage on schema auth to gateway;
grant execute on function auth.note_failure(text, text, text, text), auth.ended_sessions() to gateway;
"""

REQUESTS: dict[str, Request] = {
    **ALL,
    **{name: it.request for group in DIFFERENCES.values() for name, it in group.items()},
    "CSV of a column f": post("f_table", "{}", JSON, (b"accept", CSV)),
}
F_TABLE = """
create function auth.f_table() returns table (f int, k text)
  language sql set search_path = pg_catalog, pg_temp as $$ values (1, 'x'), (2, 'y') $$;
grant execute on function auth.f_table() to anon;
"""


@pytest.fixture(scope="module")
def stack(make_recipes: MakeRecipes) -> Iterator[DevStack]:
    with make_recipes() as stack:
        stack.database.execute(AUTHORS_PATH + OWN_FUNCTIONS + F_TABLE)
        yield stack


@pytest.fixture(scope="module")
async def before(stack: DevStack) -> dict[str, object]:
    """What each request comes to without shadows; the server's log has every statement that this took."""
    stack.database.execute("alter role gateway set log_statement = 'all'")
    replies = await _replies(stack)
    stack.database.execute("alter role gateway reset log_statement")
    return replies


@pytest.fixture(scope="module")
def shadows(stack: DevStack, before: dict[str, object]) -> Shadows:
    planted = plant(stack.database, log=stack.postgres.log, statements=[stack.postgres.log.read_text()])
    for subject in ("role gateway", "role anon", f'database "{stack.database.name}"'):
        stack.database.execute(f"alter {subject} set search_path = {PATH}")
    planted.clear()
    return planted


@pytest.fixture
async def pool(shadows: Shadows) -> AsyncIterator[Pool]:
    shadows.clear()
    async with asyncpg.create_pool(
        shadows.database.gateway_dsn, min_size=0, max_size=1, reset=reset_session
    ) as pool:
        yield pool


async def _replies(stack: DevStack) -> dict[str, object]:
    """Each request, by a gateway whose called functions look into the intruder's schema before pg_catalog."""
    extra = ("public",) if "intruder" not in _schemas(stack) else ("intruder", "public", "pg_catalog")
    async with asyncpg.create_pool(stack.gateway_dsn, min_size=0, max_size=1, reset=reset_session) as pool:
        by_schema = {
            schema: AuthFunctions(
                pool, schema=schema, anon_role="anon", settings=SETTINGS, extra_search_path=extra
            )
            for schema in ("auth", "docs")
        }
        return {
            name: _steady(await through_gateway(by_schema[request.schema], request))
            for name, request in REQUESTS.items()
        }


def _schemas(stack: DevStack) -> set[str]:
    query = "select n.nspname from pg_catalog.pg_namespace as n"
    return {row[0] for row in stack.database.fetch(query)}


def _steady(reply: Reply) -> object:
    """A reply without tokens, and without the path that the test itself changes."""
    status, headers, body = comparable(reply)
    return status, headers, body.replace(PATH.encode(), b"")


async def test_every_call_is_answered_as_before_and_nothing_is_captured(
    stack: DevStack, before: dict[str, object], shadows: Shadows
) -> None:
    after = await _replies(stack)

    assert shadows.captured() == []
    assert {name: reply for name, reply in after.items() if reply != before[name]} == {}


async def test_the_notes_of_failures(shadows: Shadows, pool: Pool) -> None:
    notes = FailureRecords(pool, schema="auth", observe=print)
    notes.add("login", username="demo", address="192.0.2.1", user_agent="x")
    await notes.close()

    assert shadows.database.fetch("select n.kind from auth.noted as n")
    assert shadows.captured() == []


async def test_the_probe(shadows: Shadows, pool: Pool) -> None:
    assert await postgres_probe(pool)() == ""
    assert shadows.captured() == []


async def test_the_listener_though_it_asks_for_a_type_it_does_not_know(shadows: Shadows) -> None:
    shadows.clear()
    ended = Revocations(refuse_unknown=True)

    async def connect() -> Any:
        return await asyncpg.connect(shadows.database.gateway_dsn)

    listener = RevocationListener(connect, ended, lambda _: None, schema="auth")
    connection = await connect()
    try:
        await connection.execute(f"set search_path to {PATH}")
        await listener._load(connection)
    finally:
        await connection.close()

    assert "01" in ended
    assert shadows.captured() == []


@pytest.mark.parametrize("statement", FOUND_FIRST.values(), ids=FOUND_FIRST.keys())
async def test_a_statement_that_names_no_schema_would_have_been_captured(
    shadows: Shadows, pool: Pool, statement: str
) -> None:
    async with pool.acquire() as connection:
        await connection.execute(statement)

    assert [what for what in shadows.captured() if what.endswith(" as gateway")]
