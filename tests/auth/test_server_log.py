"""No value of a request is in the server's log, whatever is wrong with it: an attempted password is one.

At its default settings the server logs each error with its message, detail and context, and the text of the
statement. So the text holds no value, and no error of a statement of the gateway quotes one.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from app.auth.functions import AuthFunctions
from app.auth.transactions import reset_session
from app.devstack import DevStack

from .calling import CSV, FORM, JSON, TEXT, Request, post, through_gateway, told
from .conftest import SETTINGS, MakeRecipes, Pool

pytestmark = pytest.mark.anyio

CANARY = "c4nary"
TYPED = """
create type auth.mood as enum ('fine');
create domain auth.pin as text check (value ~ '^[0-9]{4}$');
create domain auth.strict as int check (value > 0);
create type auth.pair as (a int, b date);
"""
# One function for each type that people give to arguments
TYPES = {
    "int": "int",
    "smallint": "int2",
    "bigint": "int8",
    "numeric": "numeric(4, 2)",
    "float": "float8",
    "money": "money",
    "bool": "bool",
    "uuid": "uuid",
    "date": "date",
    "time": "time",
    "timestamp": "timestamptz",
    "interval": "interval",
    "inet": "inet",
    "mac": "macaddr",
    "bytes": "bytea",
    "bits": "bit(4)",
    "json": "json",
    "jsonb": "jsonb",
    "xml": "xml",
    "ints": "int[]",
    "texts": "text[]",
    "range": "int4range",
    "regclass": "regclass",
    "regrole": "regrole",
    "tsquery": "tsquery",
    "char": '"char"',
    "letters": "varchar(3)",
    "mood": "auth.mood",
    "pin": "auth.pin",
    "strict": "auth.strict",
    "pair": "auth.pair",
    "pairs": "auth.pair[]",
}
FUNCTIONS = "".join(
    f"create function auth.takes_{name}(secret {type_}) returns void language sql as 'select';"
    for name, type_ in TYPES.items()
)
VALUES = (
    f'"{CANARY}"',
    f'"{CANARY}\\u0000"',
    f'"\\u0000{CANARY}"',
    f'"{CANARY}\\ud800"',
    f'"{{{CANARY}"',
    f'"[{CANARY}"',
    f'"<{CANARY}"',
    f'"\\\\x{CANARY}"',
    f'"1 {CANARY}"',
    f'["{CANARY}"]',
    f'[["{CANARY}"], 1]',
    f'{{"{CANARY}": "{CANARY}"}}',
    f'{{"a": "{CANARY}", "b": "{CANARY}"}}',
    f'[{{"a": "{CANARY}"}}]',
)


def _typed(name: str, value: str) -> list[Request]:
    name = f"takes_{name}"
    return [
        post(name, f'{{"secret":{value}}}'),
        post(name, f'[{{"secret":{value}}}, {{"secret":"{CANARY}"}}]'),
        post(name, f'{{"secret":{value}, "other":"{CANARY}\\u0000"}}', query=b"columns=secret"),
        post(name, f"secret={value}", FORM),
        post(name, f"secret={CANARY}%00", FORM),
        post(name, f'secret\n"{value}"\n', CSV),
        post(name, f"secret\n{CANARY}\0\n", CSV),
    ]


LOGIN = '{"user_":"demo","pass":'
MALFORMED: dict[str, Request] = {
    "NUL": post("login", f'{LOGIN}"{CANARY}\\u0000"}}'),
    "NUL in a name": post("login", f'{LOGIN}"{CANARY}","\\u0000":1}}', query=b"columns=user_,pass"),
    "NUL in another value": post(
        "login", f'{LOGIN}"{CANARY}","x":["\\u0000"]}}', query=b"columns=user_,pass"
    ),
    "NUL in another row": post("login", f'[{LOGIN}"{CANARY}"}},{{"user_":"\\u0000","pass":"{CANARY}"}}]'),
    "raw NUL": post("login", f'{LOGIN}"{CANARY}\0"}}'),
    "escaped backslash and u0000": post("login", f'{LOGIN}"{CANARY}\\\\u0000"}}'),
    "half a surrogate pair": post("login", f'{LOGIN}"{CANARY}\\ud800"}}'),
    "the other half": post("login", f'{LOGIN}"{CANARY}\\udc00x"}}'),
    "not UTF-8": post("login", f'{LOGIN}"{CANARY}'.encode() + b'\xff"}'),
    "overlong UTF-8": post("login", f'{LOGIN}"{CANARY}'.encode() + b'\xc0\x80"}'),
    "surrogates in UTF-8": post("login", f'{LOGIN}"{CANARY}'.encode() + b'\xed\xa0\x80"}'),
    "number out of range": post("login", f'{LOGIN}1e999999,"x":"{CANARY}"}}', query=b"columns=user_,pass"),
    "long number": post("login", f'{LOGIN}{"1" * 5000},"x":"{CANARY}"}}', query=b"columns=user_,pass"),
    "trailing garbage": post("login", f'{LOGIN}"x"}} {CANARY}'),
    "unfinished": post("login", f'{LOGIN}"{CANARY}'),
    "duplicate keys": post("login", f'{LOGIN}"{CANARY}","pass":"{CANARY}2"}}'),
    "byte order mark": post("login", f'\ufeff{LOGIN}"{CANARY}"}}'),
    "deep": post("login", f'{LOGIN}{"[" * 199}"{CANARY}"{"]" * 199}}}'),
    "too deep": post("login", f'{LOGIN}{"[" * 9999}"{CANARY}"{"]" * 9999}}}'),
    "scalars in an array": post("login", f'["{CANARY}"]', query=b"columns=user_,pass"),
    "a scalar": post("login", f'"{CANARY}"', query=b"columns=user_,pass"),
    "null": post("login", f"{LOGIN}null}}"),
    "a form with NUL": post("login", f"user_=demo&pass={CANARY}%00", FORM),
    "a form not UTF-8": post("login", f"user_=demo&pass={CANARY}%ff", FORM),
    "CSV with NUL": post("login", f"user_,pass\ndemo,{CANARY}\0\n", CSV),
    "the JSON of a whole argument": post("jsonarg", f'{{"a":"{CANARY}\\u0000"}}'),
    "the JSONB of a whole argument": post("jsonbarg", f'{{"a":"{CANARY}\\u0000"}}'),
    "the JSONB of a big number": post("jsonbarg", f'{{"a":1e200000,"b":"{CANARY}"}}'),
    "the text of a whole argument": post("textarg", f"{CANARY}\0", TEXT),
    "the XML of a whole argument": post("xmlarg", f"<a>{CANARY}</b>", b"text/xml"),
    "the XML with NUL": post("xmlarg", f"<a>{CANARY}\0</a>", b"text/xml"),
    "the token of a session": post("refresh_token", f'{{"refresh_token":"{CANARY}"}}'),
    "variadic": post("many_int", f"a=x&v={CANARY}&v=2", FORM),
    "a header with NUL": post("header", '{"name":"x-any"}', JSON, (b"x-any", CANARY.encode() + b"\0")),
    "a cookie with NUL": post("cookie", '{"name":"a"}', JSON, (b"cookie", b"a=" + CANARY.encode() + b"\0")),
}


@pytest.fixture(scope="module")
def stack(make_recipes: MakeRecipes) -> Iterator[DevStack]:
    with make_recipes() as stack:
        stack.database.execute(TYPED + FUNCTIONS + "grant execute on all functions in schema auth to anon")
        yield stack


@pytest.fixture
async def pool(stack: DevStack) -> AsyncIterator[Pool]:
    async with asyncpg.create_pool(stack.gateway_dsn, min_size=0, max_size=1, reset=reset_session) as pool:
        yield pool


@pytest.fixture
def functions(pool: Pool) -> AuthFunctions:
    return AuthFunctions(pool, schema="auth", anon_role="anon", settings=SETTINGS)


@pytest.fixture
def log(stack: DevStack) -> "Log":
    return Log(stack.postgres.log)


class Log:
    """What the server has written since the test began."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin = path.stat().st_size

    def lines(self) -> list[str]:
        return self._path.read_bytes()[self._begin :].decode(errors="replace").splitlines()

    def quoted(self, value: str = CANARY) -> list[str]:
        return [line for line in self.lines() if value in line]


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_request_is_not_quoted(
    functions: AuthFunctions, log: Log, request_: Request
) -> None:
    reply = await through_gateway(functions, request_)

    assert reply.status < 500
    assert log.quoted() == []


@pytest.mark.parametrize("name", TYPES)
async def test_an_argument_of_another_type_is_not_quoted(
    functions: AuthFunctions, log: Log, name: str
) -> None:
    statuses = set()
    for value in VALUES:
        for request in _typed(name, value):
            reply = await through_gateway(functions, request)
            statuses.add(reply.status)
            assert CANARY.encode() not in reply.body
            assert log.quoted() == [], request

    assert statuses <= {204, 400, 404}  # 42P01: no such regclass
    assert 400 in statuses


async def test_the_log_says_what_was_wrong_all_the_same(functions: AuthFunctions, log: Log) -> None:
    reply = await through_gateway(functions, post("takes_int", f'{{"secret":"{CANARY}"}}'))

    assert told(reply) == (400, "22P02")
    assert reply.sqlstate == "22P02"
    assert [line for line in log.lines() if "an argument does not fit its parameter" in line]


@pytest.mark.parametrize(
    ("request_", "state"),
    [
        (MALFORMED["NUL"], "22P05"),
        (MALFORMED["NUL in another row"], "22P05"),
        (MALFORMED["a form with NUL"], "22P05"),
        (MALFORMED["CSV with NUL"], "22P05"),
        (MALFORMED["the JSONB of a whole argument"], "22P05"),
        (MALFORMED["the text of a whole argument"], "22021"),
        (post("takes_int", '{"secret":99999999999}'), "22003"),
        (post("takes_pin", '{"secret":"12345"}'), "23514"),
    ],
)
async def test_the_reply_is_what_the_servers_error_would_have_made_it(
    functions: AuthFunctions, request_: Request, state: str
) -> None:
    assert told(await through_gateway(functions, request_)) == (400, state)


async def test_nul_reaches_what_can_hold_it(functions: AuthFunctions) -> None:
    """A `json` keeps its text, and a backslash before `u0000` may be one that is meant."""
    whole = await through_gateway(functions, MALFORMED["the JSON of a whole argument"])
    meant = await through_gateway(functions, post("scalar_text", '{"a":"\\\\u0000"}'))

    assert (whole.status, whole.body) == (200, f'{{"a":"{CANARY}\\u0000"}}'.encode())
    assert (meant.status, meant.body) == (200, b'"\\\\u0000"')


async def test_values_are_not_logged_though_the_server_logs_values_of_errors(
    stack: DevStack, log: Log
) -> None:
    """Of what an owner can turn on, this much the gateway can turn off: users may set these two."""
    stack.database.execute(
        "alter database app set log_parameter_max_length_on_error = -1;"
        "alter database app set debug_print_plan = on;"
        "alter role anon set log_parameter_max_length_on_error = -1"
    )
    try:
        async with asyncpg.create_pool(stack.gateway_dsn, min_size=0, max_size=1) as pool:
            fresh = AuthFunctions(pool, schema="auth", anon_role="anon", settings=SETTINGS)
            strange = AuthFunctions(pool, schema="auth", anon_role="no_such_role", settings=SETTINGS)
            wrong = post("login", f'{{"user_":"demo","pass":"{CANARY}"}}')
            assert (await through_gateway(fresh, wrong)).status == 401
            with pytest.raises(Exception):  # noqa: B017, PT011  a role that is not there
                await through_gateway(strange, wrong)
            assert [line for line in log.lines() if "ERROR" in line]
            assert log.quoted() == log.quoted(SETTINGS["pgrst.jwt_secret"]) == []

            async with pool.acquire() as connection:
                with pytest.raises(asyncpg.DataError):
                    await connection.fetchval("select $1::text::int", CANARY)
            assert log.quoted(), "the settings have no effect"
    finally:
        stack.database.execute(
            "alter database app reset all; alter role anon reset log_parameter_max_length_on_error;"
            f"alter database app set pgrst.jwt_secret = '{SETTINGS['pgrst.jwt_secret']}'"
        )


async def test_without_plpgsql_for_the_role_calls_go_on(stack: DevStack, pool: Pool) -> None:
    stack.database.execute("revoke usage on language plpgsql from public")
    try:
        functions = AuthFunctions(pool, schema="auth", anon_role="anon", settings=SETTINGS)
        reply = await through_gateway(functions, post("takes_int", '{"secret":"7"}'))
    finally:
        stack.database.execute("grant usage on language plpgsql to public")

    assert reply.status == 204
