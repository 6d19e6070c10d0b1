"""Whatever a function leaves on its session, the next statements of the gateway are what they say."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from app.auth.functions import AuthFunctions
from app.auth.limits.records import FailureRecords
from app.auth.transactions import reset_session
from app.devstack import DevStack

from .calling import Request, comparable, post, through_gateway
from .conftest import SECRET, SETTINGS, MakeRecipes, Pool

pytestmark = pytest.mark.anyio

LOGIN = post("login", '{"user_":"demo","pass":"demo"}')
CONTEXT = post("ctx")

# A temporary table or type is found before pg_catalog's wherever the path does not name pg_temp
SHADOWS = "; ".join(
    [
        *(
            f"create temp view {name} as select r.* from pg_catalog.{name} as r where 1 / 0 = 1"  # noqa: S608
            for name in ("pg_proc", "pg_namespace", "pg_roles", "pg_type", "pg_settings", "pg_language")
        ),
        *(
            f"create domain pg_temp.{name} as pg_catalog.{name} check (1 / 0 = 1)"
            for name in ("text", "json", "bytea", "oid", '"char"', "regtype")
        ),
    ]
)
LEAVING = """
create schema own;
grant usage on schema own to anon, gateway;
create table own.heard (what text);
create function own.keep(what text) returns text language plpgsql security definer as
  $$ begin insert into own.heard values (what); return what; end $$;

create function auth.leaves_shadows() returns void language plpgsql as $$ begin SHADOWS; end $$;

create function auth.leaves_a_path() returns void language plpgsql as $$
begin
  create temp table mark ();
  perform set_config('search_path', 'own, pg_temp, pg_catalog', false);
end $$;
create function own.pg_advisory_unlock_all() returns void language sql as $$ select own.keep('reset') $$;
create function own.current_setting(text, boolean) returns text language sql as
  $$ select own.keep('setting') $$;

create function auth.leaves_a_role() returns void language plpgsql as $$ begin set role anon; end $$;

-- Takes every name that a driver has given to a statement
create function auth.leaves_statements() returns void language plpgsql as $$
declare
  known record;
begin
  for known in select name, parameter_types::text[] as types from pg_prepared_statements loop
    execute format('deallocate %I', known.name);
    execute format('prepare %I (%s) as select own.keep(%L || $1::text)', known.name,
      array_to_string(known.types, ','), known.name);
  end loop;
  prepare left_behind as select 1;
end $$;

create function auth.leaves_a_table() returns void language plpgsql as
  $$ begin create temp table scratch as select 'left'::text as what; end $$;
create function auth.reads_a_table() returns text language plpgsql as
  $$ begin return (select what from scratch); end $$;

create function auth.note_failure(text, text, text, text) returns void
  language sql security definer as $$ insert into own.heard values ('note') $$;
grant usage on schema auth to gateway;
grant execute on all functions in schema auth to anon;
revoke execute on function auth.note_failure(text, text, text, text) from anon;
grant execute on function auth.note_failure(text, text, text, text) to gateway;
""".replace("SHADOWS", SHADOWS)
LEFT = ("leaves_shadows", "leaves_a_path", "leaves_a_role", "leaves_statements", "leaves_marks")


@pytest.fixture(scope="module")
def stack(make_recipes: MakeRecipes) -> Iterator[DevStack]:
    with make_recipes() as stack:
        stack.database.execute(LEAVING)
        yield stack


@pytest.fixture
def heard(stack: DevStack) -> Callable[[], list[str]]:
    stack.database.execute("delete from own.heard")
    return lambda: [row[0] for row in stack.database.fetch("select what from own.heard")]


async def _leave_it(_: Any) -> None: ...


@pytest.fixture(params=["cleaned", "not cleaned"])
async def pool(stack: DevStack, request: pytest.FixtureRequest) -> AsyncIterator[Pool]:
    """One connection, cleaned after each call, or handed on as it is, as a pooler hands on its own."""
    reset = reset_session if request.param == "cleaned" else _leave_it
    async with _one_connection(stack, reset) as pool:
        yield pool


@asynccontextmanager
async def _one_connection(stack: DevStack, reset: Any) -> AsyncIterator[Pool]:
    async with asyncpg.create_pool(stack.gateway_dsn, min_size=0, max_size=1, reset=reset) as pool:
        yield pool


def _functions(pool: Pool) -> AuthFunctions:
    return AuthFunctions(pool, schema="auth", anon_role="anon", settings=SETTINGS)


async def _ask(functions: AuthFunctions, *requests: Request) -> list[object]:
    return [comparable(await through_gateway(functions, request)) for request in requests]


@pytest.mark.parametrize("name", LEFT)
async def test_the_next_calls_are_what_they_would_have_been(
    stack: DevStack, pool: Pool, heard: Callable[[], list[str]], name: str
) -> None:
    async with _one_connection(stack, reset_session) as fresh:
        expected = await _ask(_functions(fresh), LOGIN, CONTEXT, post("tbl"))

    functions = _functions(pool)
    await _ask(functions, LOGIN, CONTEXT, post(name))
    after = await _ask(functions, LOGIN, CONTEXT, post("tbl"))
    after_unknown = await _ask(_functions(pool), LOGIN, CONTEXT)

    if name == "leaves_marks":  # its own setting, which no clean-up between transactions removes
        after, after_unknown, expected = after[:1], after_unknown[:1], expected[:1]
    assert after == expected
    assert after_unknown == expected[:2]
    assert heard() == []


@pytest.mark.parametrize("name", LEFT)
async def test_the_note_of_a_failure_is_written_as_the_gateway(
    pool: Pool, heard: Callable[[], list[str]], name: str
) -> None:
    await _ask(_functions(pool), post(name))
    notes = FailureRecords(pool, schema="auth", observe=print)
    notes.add("login", username="demo", address="192.0.2.1", user_agent="x")
    await notes.close()

    assert heard() == ["note"]


async def test_no_statement_has_a_name_that_could_be_taken(pool: Pool) -> None:
    await _ask(_functions(pool), LOGIN, CONTEXT)

    async with pool.acquire() as connection:
        rows = await (await connection.prepare("select name from pg_prepared_statements", name="")).fetch()
    assert [row[0] for row in rows] == []


async def test_a_temporary_table_is_gone_before_the_next_function(pool: Pool) -> None:
    functions = _functions(pool)
    await _ask(functions, post("leaves_a_table"))
    reply = await through_gateway(functions, post("reads_a_table"))

    assert (reply.status, json.loads(reply.body)["code"]) == (404, "42P01")


async def test_the_secret_is_where_it_belongs_after_all_of_them(pool: Pool) -> None:
    functions = _functions(pool)
    await _ask(functions, *(post(name) for name in LEFT))

    reply = await through_gateway(functions, CONTEXT)
    assert json.loads(reply.body)["secret"] == SECRET
