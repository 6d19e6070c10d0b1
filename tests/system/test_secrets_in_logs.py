"""Nothing secret is written: no password, token, cookie or key, whatever people do and whatever fails."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

import jwt
import pytest
from harness.relay.deadlines import wait_until
from harness.relay.tokens import sign
from harness.site.client import Field, ask, connect
from harness.site.gateways import StartGateway
from harness.site.site import TRUSTED_ORIGIN, Site

JSON: Field = ("Content-Type", "application/json")
FORM: Field = ("Content-Type", "application/x-www-form-urlencoded")
NEEDLE = "n33dle"  # in every secret that is made up here


@pytest.fixture(scope="module")
def watched(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    """A gateway whose every word is read; it has a password for its database."""
    dsn = site.environ["POSTGATE_DATABASE_URL"].replace("gateway@", f"gateway:{NEEDLE}-database@")
    with start_gateway(site.environ, database_url=dsn, log_requests="true") as gateway:
        yield replace(site, gateway=gateway)


@pytest.fixture(scope="module")
def cut_off(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    """One that has neither database nor PostgREST."""
    settings = {
        "log_requests": "true",
        "database_url": f"postgresql://gateway:{NEEDLE}-database@127.0.0.1:1/app",
        "postgrest_url": "http://127.0.0.1:1",
        "database_seconds": "1",
    }
    with start_gateway(site.environ, ready=False, **settings) as gateway:
        yield replace(site, gateway=gateway)


def session_of(site: Site) -> dict[str, str]:
    """Sign in; empty where that fails."""
    answer = ask(site.url, "POST", "/rpc/login", [JSON], b'{"user_":"demo","pass":"demo"}')
    pairs = (value.decode().partition(";")[0] for value in answer.head.values(b"set-cookie"))
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def fail_to_sign_in(url: str) -> None:
    for body in (
        f'{{"user_":"demo","pass":"{NEEDLE}-wrong"}}',
        f'{{"user_":"{NEEDLE}-name","pass":"{NEEDLE}"}}',
        f'{{"user_":"demo","pass":{{"{NEEDLE}":["{NEEDLE}"]}}}}',
        f'{{"user_":"demo","pass":"{NEEDLE}\\u0000"}}',
        f'{{"user_":"demo","pass":"{NEEDLE}\\ud800"}}',
        f'{{"user_":"demo","password":"{NEEDLE}"}}',
        f'{{"user_":"demo","pass":"{NEEDLE}',
        "[" * 50_000 + NEEDLE,
        NEEDLE * 20_000,
    ):
        for target in ("/rpc/login", f"/rest/rpc/login?pass={NEEDLE}"):
            ask(url, "POST", target, [JSON], body.encode())
    ask(url, "POST", "/rpc/login", [FORM], f"user_=demo&pass={NEEDLE}%ff%00".encode())
    ask(url, "POST", "/rpc/login", [("Content-Type", f"text/{NEEDLE}")], NEEDLE.encode())
    ask(url, "POST", "/rpc/login", [FORM, ("Origin", "https://elsewhere.example")], f"pass={NEEDLE}".encode())
    ask(url, "GET", f"/rpc/login?user_=demo&pass={NEEDLE}")


def present_bad_credentials(url: str, tokens: Iterable[str]) -> None:
    for token in tokens:
        for cookie in (f"access_token={token}", f"access_token={token}; access_token={NEEDLE}"):
            ask(url, "GET", "/rest/task", [("Cookie", cookie)])
        ask(url, "GET", "/rest/task", [("Authorization", f"Bearer {token}")])
        ask(url, "GET", f"/rest/task?access_token={token}")
    for value in (NEEDLE, NEEDLE * 8, f'"{NEEDLE}\\"', (NEEDLE * 8)[:43]):
        for target in ("/rpc/refresh_token", "/rpc/logout"):
            ask(url, "POST", target, [("Cookie", f"refresh_token={value}")])


def ask_for_trouble(url: str, session: Field) -> None:
    ask(url, "GET", f"/rest/task?title=eq.{NEEDLE}", [session])
    ask(url, "GET", "/rest/task", [session, ("traceparent", NEEDLE), ("tracestate", f"a={NEEDLE}")])
    ask(url, "GET", "/rest/task", [session, ("User-Agent", NEEDLE), ("Referer", f"https://h/?{NEEDLE}")])
    preflight = [("Origin", TRUSTED_ORIGIN), ("Access-Control-Request-Method", "GET")]
    ask(url, "OPTIONS", f"/rest/task?{NEEDLE}", [*preflight, session])
    for path in (
        "/rest//..",
        f"http://{NEEDLE}@h/rest",
        f"x{NEEDLE}",
        "*",
    ):  # where there is no path, none is told
        ask(url, "GET", f"{path}?{NEEDLE}", [session])
        ask(url, "GET", f"{path}#{NEEDLE}", [session])
    ask(url, "GET", "/rest/task", [session, ("Host", f"{NEEDLE}@evil")])
    ask(url, "POST", "/rest/task", [session, JSON], f'{{"nothing":"{NEEDLE}"}}'.encode())
    with connect(url) as wire:  # no HTTP
        wire.send(f"GET /rest/task HTTP/1.1\r\nCookie: {NEEDLE}\r\n{NEEDLE}\r\n\r\n".encode())
        wire.wait_end()
    with connect(url) as wire:  # gone in the middle of a body
        wire.send(f"POST /rpc/login HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n{NEEDLE}".encode())


def live_through_everything(site: Site) -> set[str]:
    """The whole story, with everything that can go wrong in it; returns the secrets that were in it."""
    cookies = session_of(site)
    session: Field = ("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()) or "a=b")
    tokens = {site.token(seconds=-5), f"{NEEDLE}.{NEEDLE}.{NEEDLE}", sign(b"{}", NEEDLE.encode())}
    fail_to_sign_in(site.url)
    present_bad_credentials(site.url, tokens)
    ask_for_trouble(site.url, session)
    ask(site.url, "POST", "/rpc/refresh_token", [session])
    ask(site.url, "POST", "/rpc/refresh_token", [session])  # a replay
    ask(site.url, "POST", "/rpc/logout", [session])
    signed = [value for value in cookies.values() if value.count(".") == 2]
    proofs = [jwt.decode(token, options={"verify_signature": False})["jti"] for token in signed]
    return {*cookies.values(), *tokens, *proofs, site.jwt_secret}


def assert_nothing_written(site: Site, secrets: set[str]) -> None:
    output = site.gateway.output
    assert '"event":"request_rejected"' in output  # it does write
    metrics = ask(site.gateway.admin_url, "GET", "/metrics").body.decode()
    for text in (output, metrics):
        assert NEEDLE not in text
        for secret in secrets:
            assert secret not in text
            assert not [part for part in secret.split(".") if part in text]


def test_nothing_secret_is_written_while_all_is_well(watched: Site) -> None:
    secrets = live_through_everything(watched)
    assert len(secrets) == 7
    assert_nothing_written(watched, secrets)


def test_nothing_secret_is_written_while_nothing_works(cut_off: Site) -> None:
    assert_nothing_written(cut_off, live_through_everything(cut_off))


def test_an_auth_function_that_fails_with_a_value_is_logged_without_it(recipe: Site) -> None:
    answer = ask(recipe.url, "POST", "/rpc/enter_pin", [JSON], json.dumps({"pin": NEEDLE}).encode())
    request_id = answer.head.value(b"x-request-id").decode()
    wait_until(lambda: request_id in recipe.gateway.output, "its line in the log")
    assert any(request_id in line and "22P02" in line for line in recipe.gateway.output.splitlines())
    assert NEEDLE not in recipe.gateway.output


def relayed(site: Site) -> int:
    return site.gateway.output.count('"event":"request_relayed"')


def test_a_line_for_each_relayed_request_if_it_is_wanted_and_none_if_not(watched: Site, site: Site) -> None:
    before = relayed(watched), relayed(site)
    for each in (watched, site):
        bearer: Field = ("Authorization", f"Bearer {each.token(iat=int(time.time()))}")
        for _ in range(20):
            assert ask(each.url, "GET", f"/rest/task?title=eq.{NEEDLE}", [bearer]).status == 200
    wait_until(lambda: relayed(watched) == before[0] + 20, "the lines")
    assert relayed(site) == before[1] == 0
    assert NEEDLE not in watched.gateway.output
