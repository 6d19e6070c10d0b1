"""A function that changes under a warm gateway is the new one at the next call."""

import json
from collections.abc import Awaitable, Callable, Iterator

import pytest

from app.auth.functions import AuthFunctions
from app.auth.replies import Reply
from app.devstack import DevStack

from .calling import JSON, post, through_gateway, told
from .conftest import SETTINGS, Pool

pytestmark = pytest.mark.anyio

Change = Callable[[str], None]
Ask = Callable[..., Awaitable[Reply]]


@pytest.fixture
def change(recipes: DevStack) -> Iterator[Change]:
    """Run statements as the owner; the schema they may use is gone afterwards."""
    recipes.database.execute("create schema lab; grant usage on schema lab to anon, visitor")
    yield recipes.database.execute
    recipes.database.execute("drop schema lab cascade; alter role visitor reset all")


@pytest.fixture
def ask(pool: Pool) -> Ask:
    functions = AuthFunctions(pool, schema="lab", anon_role="visitor", settings=SETTINGS)

    async def call(name: str, body: str = "{}") -> Reply:
        return await through_gateway(functions, post(name, body, JSON))

    return call


def _function(signature: str, body: str, *, attributes: str = "volatile") -> str:
    return f"""
    create or replace function lab.{signature} language sql {attributes} as $$ {body} $$;
    grant execute on all functions in schema lab to visitor;
    """


async def test_its_body(change: Change, ask: Ask) -> None:
    change(_function("it() returns int", "select 1"))
    assert (await ask("it")).body == b"1"
    change(_function("it() returns int", "select 2"))
    assert (await ask("it")).body == b"2"


async def test_its_arguments(change: Change, ask: Ask) -> None:
    change(_function("it(a text) returns text", "select a"))
    assert (await ask("it", '{"a":"x"}')).body == b'"x"'
    change("drop function lab.it(text)")
    change(_function("it(b int) returns int", "select b"))
    assert told(await ask("it", '{"a":"x"}')) == (404, "PGRST202")
    assert (await ask("it", '{"b":"7"}')).body == b"7"


async def test_the_type_of_an_argument(change: Change, ask: Ask) -> None:
    change(_function("it(a text) returns text", "select a"))
    assert (await ask("it", '{"a":"07"}')).body == b'"07"'
    change("drop function lab.it(text)")
    change(_function("it(a int) returns int", "select a"))
    assert (await ask("it", '{"a":"07"}')).body == b"7"


async def test_what_it_returns(change: Change, ask: Ask) -> None:
    change(_function("it() returns void", "select"))
    assert (await ask("it")).status == 204
    change("drop function lab.it()")
    change(_function("it() returns int", "select 1"))
    assert ((reply := await ask("it")).status, reply.body) == (200, b"1")


async def test_the_columns_of_the_type_it_returns(change: Change, ask: Ask) -> None:
    change("create type lab.answer as (a int)")
    change(_function("it() returns lab.answer", "select 1"))
    assert (await ask("it")).body == b'{"a":1}'
    change("alter type lab.answer add attribute b text")
    change(_function("it() returns lab.answer", "select 1, 'x'::text"))
    assert (await ask("it")).body == b'{"a":1,"b":"x"}'


async def test_its_volatility(change: Change, ask: Ask) -> None:
    read_only = "select current_setting('transaction_read_only')"
    change(_function("it() returns text", read_only, attributes="stable"))
    assert (await ask("it")).body == b'"on"'
    change(_function("it() returns text", read_only, attributes="volatile"))
    assert (await ask("it")).body == b'"off"'


async def test_its_default(change: Change, ask: Ask) -> None:
    change(_function("it(a text) returns text", "select a"))
    assert told(await ask("it")) == (404, "PGRST202")
    change(_function("it(a text default 'd') returns text", "select a"))
    assert (await ask("it")).body == b'"d"'


async def test_another_overload(change: Change, ask: Ask) -> None:
    change(_function("it(a text) returns text", "select a"))
    assert (await ask("it", '{"a":"x"}')).status == 200
    change(_function("it(a int) returns int", "select a"))
    assert told(await ask("it", '{"a":"x"}')) == (300, "PGRST203")


async def test_its_end(change: Change, ask: Ask) -> None:
    change(_function("it() returns int", "select 1"))
    assert (await ask("it")).status == 200
    change("drop function lab.it()")
    assert told(await ask("it")) == (404, "PGRST202")


async def test_its_beginning(change: Change, ask: Ask) -> None:
    assert told(await ask("it")) == (404, "PGRST202")
    change(_function("it() returns int", "select 1"))
    assert (await ask("it")).status == 200


async def test_its_settings(change: Change, ask: Ask) -> None:
    timeout = "select current_setting('statement_timeout')"
    change(_function("it() returns text", timeout))
    assert (await ask("it")).body == b'"0"'
    change("alter function lab.it() set statement_timeout = '7s'")
    assert (await ask("it")).body == b'"7s"'
    change(_function("slow() returns text", "select pg_sleep(10)::text"))
    change("alter function lab.slow() set statement_timeout = '20ms'")
    assert told(await ask("slow")) == (500, "57014")


async def test_the_settings_of_the_role(change: Change, ask: Ask) -> None:
    """J12: a statement_timeout of the anonymous role holds, though nobody logs in as it."""
    change(_function("it() returns text", "select current_setting('statement_timeout')"))
    change(_function("level() returns text", "select current_setting('transaction_isolation')"))
    change(_function("slow() returns text", "select pg_sleep(10)::text"))
    assert (await ask("it")).body == b'"0"'
    assert (await ask("level")).body == b'"read committed"'
    change("alter role visitor set statement_timeout = '150ms'")
    change("alter role visitor set default_transaction_isolation = 'Repeatable Read'")
    assert (await ask("it")).body == b'"150ms"'
    assert (await ask("level")).body == b'"repeatable read"'
    assert told(await ask("slow")) == (500, "57014")


async def test_a_setting_of_the_role_that_the_gateway_may_not_make_is_left_out(
    change: Change, ask: Ask
) -> None:
    change(_function("it() returns text", "select current_setting('log_statement')"))
    change("alter role visitor set log_statement = 'all'")
    assert (await ask("it")).body == b'"none"'


async def test_the_name_of_a_type(change: Change, ask: Ask, pool: Pool) -> None:
    """Nothing in the function's own row says so: the call that stumbles over it makes the next one look."""
    change("create type lab.mood as enum ('fine')")
    change(_function("it(a lab.mood) returns text", "select a::text"))
    assert (await ask("it", '{"a":"fine"}')).status == 200
    change("alter type lab.mood rename to temper")
    await pool.expire_connections()  # a prepared statement knows the type by its number
    assert told(await ask("it", '{"a":"fine"}')) == (400, "42704")
    assert (await ask("it", '{"a":"fine"}')).status == 200


async def test_another_schema_is_never_called(change: Change, ask: Ask) -> None:
    """The schemas of the search path are for the function's own use."""
    assert told(await ask("outside")) == (404, "PGRST202")
    assert told(await ask("login", '{"user_":"demo","pass":"demo"}')) == (404, "PGRST202")


async def test_types_and_extensions_outside_the_schema_are_found(change: Change, ask: Ask) -> None:
    change(_function("it() returns text", "select encode(digest('', 'sha256'), 'hex')"))
    assert len(json.loads((await ask("it")).body)) == 64


async def test_a_broken_tie_is_tried_once_more(change: Change, ask: Ask) -> None:
    """40001 says that another transaction was in the way: nothing was done, and it may be gone by now."""
    change(
        """
        create sequence lab.attempts;
        grant usage on sequence lab.attempts to visitor;
        create function lab.it(failures int) returns int language plpgsql as $$
        declare
          attempt int := nextval('lab.attempts');
        begin
          if attempt <= failures then
            raise serialization_failure;
          end if;
          return attempt;
        end $$;
        grant execute on all functions in schema lab to visitor;
        """
    )
    assert (await ask("it", '{"failures":1}')).body == b"2"
    assert told(await ask("it", '{"failures":99}')) == (500, "40001")
    assert (await ask("it", '{"failures":0}')).body == b"5"
