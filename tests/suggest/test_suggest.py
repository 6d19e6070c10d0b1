"""`postgate suggest` names the settings for the login functions of the known recipes, and changes nothing."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness.site.console import QuickConsole

from app.devstack import Database, DevStack
from app.diagnostics.suggest import Suggestion, suggest
from app.diagnostics.suggest.missing import compare
from app.settings import Settings, load_settings, variable

pytestmark = pytest.mark.anyio

SQL = Path(__file__).with_name("sql")
REQUIRED = {
    "POSTGATE_DATABASE_URL": "postgresql://",
    "POSTGATE_JWT_SECRET": "c29tZSBvdGhlciBzZWNyZXQgb2YgMzIgYnl0ZXMgb3Igc28=",
}
COOKIES = {
    "POSTGATE_ANON_ROLE": "anon",
    "POSTGATE_AUTH_SCHEMA": "auth",
    "POSTGATE_AUTH_FUNCTIONS": "login,logout,refresh_token",
    "POSTGATE_ACCOUNT_FUNCTIONS": "none",
    "POSTGATE_REFRESH_FUNCTION": "refresh_token",
}
EXPECTED = {
    "cookies": COOKIES | {"POSTGATE_JWT_SECRET_IS_BASE64": "false"},
    "base64_cookies": COOKIES | {"POSTGATE_JWT_SECRET_IS_BASE64": "true"},
    "issued": {
        "POSTGATE_ANON_ROLE": "anon",
        "POSTGATE_AUTH_SCHEMA": "auth",
        "POSTGATE_AUTH_FUNCTIONS": "refresh_tokens",
        "POSTGATE_ACCOUNT_FUNCTIONS": "none",
        "POSTGATE_REFRESH_FUNCTION": "refresh_tokens",
        "POSTGATE_JWT_SECRET_IS_BASE64": "true",
    },
    "workshop": {
        "POSTGATE_ANON_ROLE": "web_anon",
        "POSTGATE_AUTH_SCHEMA": "auth",
        "POSTGATE_AUTH_FUNCTIONS": "login,refresh_token,register_user",
        "POSTGATE_ACCOUNT_FUNCTIONS": "none",
        "POSTGATE_PASSWORD_FUNCTIONS": "login",
        "POSTGATE_ACCOUNT_ARGUMENT": "email",
        "POSTGATE_REFRESH_FUNCTION": "refresh_token",
        "POSTGATE_REFRESH_ARGUMENT": "refresh_token",
        "POSTGATE_TOKEN_MEMBERS": "token",
        "POSTGATE_TOKEN_BODY": "auto",
        "POSTGATE_JWT_SECRET_IS_BASE64": "false",
        "POSTGATE_PRE_REQUEST": "public.pre_request",
    },
    "sql_users": {
        "POSTGATE_ANON_ROLE": "anon",
        "POSTGATE_AUTH_SCHEMA": "api",
        "POSTGATE_AUTH_FUNCTIONS": "login",
        "POSTGATE_ACCOUNT_ARGUMENT": "email",
        "POSTGATE_RENEWAL": "false",
        "POSTGATE_TOKEN_MEMBERS": "token",
        "POSTGATE_TOKEN_BODY": "auto",
        "POSTGATE_JWT_SECRET_IS_BASE64": "false",
    },
}


@contextmanager
def recipe(stack: DevStack, name: str) -> Iterator[Database]:
    with stack.fresh_database(prepared=False) as database:
        for file in ("common", name):
            database.execute((SQL / f"{file}.sql").read_text())
        yield database


def lines(found: list[Suggestion]) -> dict[str, str]:
    return {one.variable: one.value for one in found if one.variable}


def notes(found: list[Suggestion]) -> str:
    return "\n".join(one.reason for one in found if not one.variable)


@pytest.mark.parametrize("name", EXPECTED)
async def test_a_recipe_gets_its_settings(stack: DevStack, name: str) -> None:
    with recipe(stack, name) as database:
        found = await suggest(database.owner_dsn)
    assert lines(found) == EXPECTED[name]
    assert all(one.reason.endswith(".") for one in found)


async def test_notes_say_what_no_setting_can_change(stack: DevStack) -> None:
    with recipe(stack, "issued") as database:
        found = notes(await suggest(database.owner_dsn))
        assert (
            "auth.issue_tokens(text, text) makes tokens and checks no password. It is for services" in found
        )
        assert "The schema `auth` is this project's own." in found
        assert "auth.refresh_tokens() signs with pgrst.jwt_secret, which the gateway sets" in found
    with recipe(stack, "sql_users") as database:
        assert "api.login(text, text) reads no setting with a secret" in notes(
            await suggest(database.owner_dsn)
        )


async def test_what_postgrest_reads_from_its_database_comes_first(stack: DevStack) -> None:
    with recipe(stack, "workshop") as database:
        database.execute(
            "do $$ begin"
            " execute format('alter role authenticator in database %I set pgrst.db_anon_role = anon',"
            "   current_database());"
            " execute format('alter role authenticator in database %I set pgrst.db_pre_request = %L',"
            "   current_database(), 'api.first');"
            " end $$"
        )
        found = lines(await suggest(database.owner_dsn))
    assert found["POSTGATE_ANON_ROLE"] == "anon"
    assert found["POSTGATE_PRE_REQUEST"] == "api.first"


async def test_a_function_of_another_schema_is_named_with_it(stack: DevStack) -> None:
    with recipe(stack, "workshop") as database:
        database.execute("alter function auth.register_user(text, text, text) set schema api")
        found = lines(await suggest(database.owner_dsn))
    assert found["POSTGATE_AUTH_FUNCTIONS"] == "login,refresh_token,api.register_user"


async def test_own_cookie_names_and_members_are_found(stack: DevStack) -> None:
    with recipe(stack, "cookies") as database:
        database.execute(
            "create function api.sign_in(identifier text, password text) returns table (access_token text)"
            " language sql as $$ select public.sign(json_build_object('role', 'member'),"
            " current_setting('app.settings.jwt_secret')) where crypt(password, '') = '' $$;"
            "drop function auth.login(text, text);"
            "drop function auth.refresh_token();"
        )
        found = await suggest(database.owner_dsn)
    assert lines(found)["POSTGATE_AUTH_FUNCTIONS"] == "sign_in,auth.logout"
    assert lines(found)["POSTGATE_TOKEN_MEMBERS"] == "access_token"
    assert lines(found)["POSTGATE_ACCOUNT_ARGUMENT"] == "identifier"


@pytest.mark.parametrize("name", EXPECTED)
async def test_the_printed_lines_are_settings(stack: DevStack, environ: Mapping[str, str], name: str) -> None:
    """Those of newer fields are left out: the reader would reject an unknown name."""
    with recipe(stack, name) as database:
        printed = await asyncio.to_thread(
            QuickConsole(environ), "suggest", owner_database_url=database.owner_dsn
        )
    assert (printed.status, printed.stderr) == (0, "")
    pairs = [line.split("=", 1) for line in printed.stdout.splitlines() if not line.startswith("#")]
    assert dict(pairs) == EXPECTED[name]
    known = {variable(field) for field in Settings.model_fields}
    load_settings(REQUIRED | {key: value for key, value in EXPECTED[name].items() if key in known})


async def test_json_has_the_same(stack: DevStack, environ: Mapping[str, str]) -> None:
    with recipe(stack, "workshop") as database:
        printed = await asyncio.to_thread(
            QuickConsole(environ), "suggest", "--json", owner_database_url=database.owner_dsn
        )
    found = json.loads(printed.stdout)
    assert {one["variable"]: one["value"] for one in found if one["variable"]} == EXPECTED["workshop"]
    assert all(set(one) == {"variable", "value", "reason", "fix"} and one["reason"] for one in found)


async def test_check_names_what_is_missing_in_the_same_words(stack: DevStack) -> None:
    with recipe(stack, "issued") as database:
        found = await suggest(database.owner_dsn)
    texts = [finding.text for finding in compare(found, load_settings(REQUIRED))]
    reasons = {one.variable: one.reason for one in found}
    outlived = next(one.reason for one in found if one.fix)
    assert "the refresh tokens of auth.refresh_tokens stay valid" in outlived
    assert texts == [
        f"POSTGATE_AUTH_FUNCTIONS lacks refresh_tokens. {reasons['POSTGATE_AUTH_FUNCTIONS']}",
        f"POSTGATE_REFRESH_FUNCTION has another value. {reasons['POSTGATE_REFRESH_FUNCTION']}",
        outlived,
    ]
    fitting = {name: value for name, value in lines(found).items() if "ACCOUNT" not in name}
    left = compare(found, load_settings(REQUIRED | fitting))
    assert [finding.text for finding in left] == [outlived]


async def test_a_function_that_signs_out_ends_the_warning(stack: DevStack) -> None:
    with recipe(stack, "issued") as database:
        database.execute("create function auth.logout() returns void language sql as ''")
        assert [one for one in await suggest(database.owner_dsn) if one.fix] == []


async def test_beside_postgates_sql_a_login_may_be_adopted(database: Database) -> None:
    database.execute(
        "create function api.sign_in(identifier text, password text) returns table (access_token text)"
        " language plpgsql as $$ begin return query select auth.sign(json_build_object('role', 'member'),"
        " current_setting('app.settings.jwt_secret')) where password = ''; end $$"
    )
    found = [one for one in await suggest(database.owner_dsn) if one.fix]
    assert [one.fix for one in found] == ["grant execute on function auth.adopt(json) to gateway;"]
    assert found[0].reason in {finding.text for finding in compare(found, load_settings(REQUIRED))}

    database.execute(found[0].fix)
    assert [one for one in await suggest(database.owner_dsn) if one.fix] == []


async def test_postgates_own_sql_needs_no_setting(database: Database) -> None:
    found = await suggest(database.gateway_dsn)
    assert lines(found) == {}
    assert "the defaults fit it" in notes(found)


async def test_a_database_without_a_login_gets_advice(stack: DevStack) -> None:
    with stack.fresh_database(prepared=False) as database:
        found = await suggest(database.owner_dsn)
    assert lines(found) == {}
    assert "`postgate migrate` brings Postgate's own" in notes(found)
