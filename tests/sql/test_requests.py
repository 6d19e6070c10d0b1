"""What PostgREST or the gateway hand over: settings missing, malformed, or chosen by an attacker."""

import json

import pytest

from .visitors import INVALID_TOKEN, SETTINGS, Connection, Visitor, start_session

pytestmark = pytest.mark.anyio

BAD_COOKIES = {
    "unset": "",
    "not JSON": "{not json",
    "not an object": '["refresh_token"]',
    "a string": '"refresh_token"',
    "null": "null",
    "empty": "{}",
    "no value": '{"refresh_token": ""}',
    "a number": '{"refresh_token": 7}',
    "an object": '{"refresh_token": {"a": 1}}',
    "NUL": r'{"refresh_token": "\u0000"}',
    "lone surrogate": r'{"refresh_token": "\ud800"}',
    "JSON breakers": json.dumps({"refresh_token": '"}\\","x":"'}),
    "quoted": json.dumps({"refresh_token": '"' + "A" * 43 + '"'}),
    "a uuid": '{"refresh_token": "00000000-0000-0000-0000-000000000000"}',
    "unknown": json.dumps({"refresh_token": "A" * 43}),
    "a newline at the end": json.dumps({"refresh_token": "A" * 43 + "\n"}),
    "a megabyte": json.dumps({"refresh_token": "A" * 1_000_000}),
    "deeply nested": '{"refresh_token": ' + "[" * 100_000 + "]" * 100_000 + "}",
}


@pytest.mark.parametrize("which", BAD_COOKIES)
async def test_a_bad_refresh_cookie_is_a_missing_one(connection: Connection, which: str) -> None:
    visitor = Visitor(connection, settings={**SETTINGS, "request.cookies": BAD_COOKIES[which]})

    answer = await visitor.refresh()
    assert (answer.status, answer.sqlstate, answer.message) == (401, "PT401", INVALID_TOKEN)
    assert (await visitor.logout()).status == 204


async def test_of_two_cookies_the_last_counts_as_in_postgrest(connection: Connection) -> None:
    token = await start_session(connection)
    for cookies, status in [
        (f'{{"refresh_token": "{token}", "refresh_token": "bad"}}', 401),
        (f'{{"refresh_token": "bad", "refresh_token": "{token}"}}', 204),
    ]:
        visitor = Visitor(connection, settings={**SETTINGS, "request.cookies": cookies})
        assert (await visitor.refresh()).status == status


async def test_the_cookies_may_have_other_names(connection: Connection) -> None:
    names = {"app.settings.access_cookie": "__Host-at", "app.settings.refresh_cookie": "__Host-rt"}
    visitor = Visitor(connection, settings={**SETTINGS, **names})
    await visitor.login()

    assert set(visitor.cookies) == {"__Host-at", "__Host-rt"}
    assert (await visitor.refresh()).status == 204
    assert {cookie.name for cookie in (await visitor.logout()).cookies} == {"__Host-at", "__Host-rt"}


@pytest.mark.parametrize("name", ["a b", "a=b", "a;Path=/x", "a\nb", "ä", '"a"'])
async def test_a_cookie_name_that_is_none_is_refused(connection: Connection, name: str) -> None:
    visitor = Visitor(connection, settings={**SETTINGS, "app.settings.refresh_cookie": name})

    assert (await visitor.logout()).sqlstate == "F0000"


@pytest.mark.parametrize(
    ("setting", "headers", "secure"),
    [
        ("", {"x-forwarded-proto": "https"}, True),
        ("", {"x-forwarded-proto": "HTTPS"}, True),
        ("", {"x-forwarded-proto": "http"}, False),
        ("", {}, False),
        ("true", {}, True),
        ("false", {"x-forwarded-proto": "https"}, False),
    ],
)
async def test_cookies_are_secure_where_the_client_came_by_https(
    connection: Connection, setting: str, headers: dict[str, str], *, secure: bool
) -> None:
    own = {**SETTINGS, "app.settings.cookie_secure": setting}
    visitor = Visitor(connection, headers=headers, settings=own)
    token = await start_session(connection)
    visitor.cookies["refresh_token"] = token

    for answer in [await visitor.refresh(), await visitor.logout()]:
        assert {"Secure" in cookie.attributes for cookie in answer.cookies} == {secure}


async def test_headers_set_before_the_call_are_kept(connection: Connection) -> None:
    before = json.dumps([{"X-Trace": "1"}, {"X-Trace": "2"}])
    visitor = Visitor(connection, settings={**SETTINGS, "response.headers": before})
    answer = await visitor.logout()

    assert answer.headers[:2] == (("X-Trace", "1"), ("X-Trace", "2"))
    assert len(answer.cookies) == 6


@pytest.mark.parametrize("before", ["{}", "null", "7", "nonsense"])
async def test_headers_that_are_none_are_replaced(connection: Connection, before: str) -> None:
    visitor = Visitor(connection, settings={**SETTINGS, "response.headers": before})

    assert len((await visitor.logout()).headers) == 6


async def test_nothing_of_one_transaction_is_left_for_the_next(visitor: Visitor) -> None:
    """On a pooled connection: the cookies of one client must not reach another."""
    await visitor.login()

    assert not (await visitor.login("demo", "wrong")).headers
    assert not (await visitor.call("auth.me()")).headers
