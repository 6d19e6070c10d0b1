"""Tokens in replies through real gateways: adopted sessions, key pairs, limits, sign-outs, pre-requests."""

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import jwt
import pytest
from harness.relay.answers import Answer
from harness.relay.deadlines import wait_until
from harness.site.client import ask
from harness.site.gateways import StartGateway
from harness.site.roads import JSON, SECRET, bearer
from harness.site.visitors import HTTPS, Browser

from app.devstack import Database, DevStack
from app.devstack.demo import new_key_pair, postgrest_of
from app.settings import variable

FUNCTIONS = """
create schema shop;
grant usage on schema shop to anon, basic_subscriber;
create table shop.note (body text);
insert into shop.note values ('private');
grant select on shop.note to basic_subscriber;

create function shop.b64(data bytea) returns text language sql immutable as
  $$ select translate(encode(data, 'base64'), E'+/=\\n', '-_') $$;

create function shop.login(email text, password text) returns json language plpgsql security definer as $$
declare
  signed text := shop.b64('{"alg":"HS256","typ":"JWT"}') || '.' || shop.b64(convert_to(json_build_object(
    'role', 'basic_subscriber', 'email', email, 'tenant', 3, 'exp', extract(epoch from now())::bigint + 600
  )::text, 'UTF8'));
  key bytea := decode(current_setting('app.settings.jwt_secret'), 'base64');
begin
  if password <> 'right' then
    return json_build_object('error', 'Invalid credentials');
  end if;
  return json_build_object(
    'token', signed || '.' || shop.b64(auth_private.hmac_sha256(signed::bytea, key)), 'n', 1.10);
end $$;

create function shop.closed() returns void language plpgsql as $$
begin
  if current_setting('request.headers')::json ->> 'x-closed' is not null then
    raise sqlstate 'PT503' using message = 'Back soon';
  end if;
end $$;
grant execute on all functions in schema shop to anon;
"""
USER = {"email": "ann@b.co", "password": "right"}
SETTINGS = {"auth_functions": "shop.login,logout,refresh_token", "account_argument": "email"}


@dataclass(frozen=True)
class Shop:
    """A project with its own login beside Postgate's SQL."""

    database: Database
    environ: Mapping[str, str]
    start: StartGateway

    @contextmanager
    def gateway(self, **settings: str) -> Iterator[Any]:
        variables = {variable(name): value for name, value in (SETTINGS | settings).items()}
        behind = {**self.environ, "POSTGATE_TRUSTED_PROXIES": "127.0.0.1", **variables}
        with self.start(behind) as running:
            yield running


@pytest.fixture(scope="module", params=["a shared secret", "a key pair"])
def shop(request: pytest.FixtureRequest, stack: DevStack, start_gateway: StartGateway) -> Iterator[Shop]:
    with stack.fresh_database() as database:
        database.execute(FUNCTIONS)
        pair = request.param == "a key pair"
        secret = new_key_pair() if pair else base64.b64encode(SECRET.encode()).decode()
        options = replace(postgrest_of(secret), schemas=("shop", "auth"))
        postgrest = stack.start_postgrest(options, database=database)
        environ = {
            "POSTGATE_DATABASE_URL": database.gateway_dsn,
            "POSTGATE_POSTGREST_URL": postgrest.url,
            "POSTGATE_JWT_SECRET": secret,
            "POSTGATE_JWT_SECRET_IS_BASE64": "true",
        }
        yield Shop(database, environ, start_gateway)
        postgrest.stop()


@pytest.fixture
def granted(shop: Shop) -> Iterator[None]:
    """The owner lets the gateway adopt tokens."""
    shop.database.execute("grant execute on function auth.adopt(json) to gateway")
    yield
    shop.database.execute("revoke execute on function auth.adopt(json) from gateway")


def post(url: str, name: str, body: Mapping[str, Any], *fields: tuple[str, str]) -> Answer:
    return ask(url, "POST", f"/rpc/{name}", [*HTTPS, JSON, *fields], json.dumps(body).encode())


def notes(url: str, *fields: tuple[str, str]) -> int:
    return ask(url, "GET", "/rest/note", [*HTTPS, *fields]).status


@pytest.mark.usefixtures("granted")
def test_an_adopted_login_has_a_session_like_any_other(shop: Shop) -> None:
    with shop.gateway() as gateway:
        page, other = Browser(gateway.url), Browser(gateway.url)
        for visitor in (page, other):
            assert visitor.post("/rpc/login", USER).body == b'{"n" : 1.10}'
        first = page.cookie("refresh_token")
        page.forget("access_token")
        assert page.get("/rest/note").status == 200, "renewed inside the request"
        assert page.cookie("refresh_token") != first, "rotated"
        claims = jwt.decode(page.cookie("access_token"), options={"verify_signature": False})
        assert (claims["tenant"], claims["email"], claims["sub"]) == (3, "ann@b.co", "ann@b.co")
        listed = json.loads(page.post("/rpc/sessions", {}, ("Content-Profile", "auth")).body)
        assert len(listed) == 2
        assert page.post("/rpc/logout_others", {}, ("Content-Profile", "auth")).status in {200, 204}
        wait_until(lambda: other.get("/rest/note").status == 401, "the other session is over")
        assert page.post("/rpc/logout", {}).status == 204
        assert not page.cookies


@pytest.mark.usefixtures("granted")
def test_a_replayed_refresh_token_ends_an_adopted_session(shop: Shop) -> None:
    shop.database.execute("update auth.setting set value = 0 where name = 'refresh_token_grace'")
    with shop.gateway() as gateway:
        page = Browser(gateway.url)
        page.post("/rpc/login", USER)
        stolen = dict(page.cookies)
        assert page.post("/rpc/refresh_token", {}).status == 204
        thief = Browser(gateway.url, {"__Host-refresh_token": stolen["__Host-refresh_token"]})
        assert thief.post("/rpc/refresh_token", {}).status == 401
        wait_until(lambda: page.get("/rest/note").status == 401, "the session is over")


def test_without_the_grant_a_token_is_good_until_a_sign_out_that_every_gateway_obeys(shop: Shop) -> None:
    with shop.gateway() as gateway, shop.gateway() as second:
        reply = post(gateway.url, "login", USER)
        body = json.loads(reply.body)
        assert body["n"] == 1.1
        held = bearer(body["token"])
        assert [notes(url, held) for url in (gateway.url, second.url)] == [200, 200]
        assert post(gateway.url, "logout", {}, held).status == 204
        assert notes(gateway.url, held) == 401
        wait_until(lambda: notes(second.url, held) == 401, "the other gateway knows")


def test_a_sign_out_needs_no_function(shop: Shop) -> None:
    with shop.gateway(auth_functions="shop.login", auth_schema="shop") as gateway:
        page = Browser(gateway.url)
        page.post("/rpc/login", USER)
        last = dict(page.cookies)
        assert page.get("/rest/note").status == 200
        assert page.post("/rpc/logout", {}).status == 204
        assert not page.cookies
        page.cookies.update(last)
        assert page.get("/rest/note").status == 401


def test_right_passwords_have_no_limit_of_failures_and_the_sixth_wrong_one_is_too_many(shop: Shop) -> None:
    with shop.gateway(login_limit_address="off") as gateway:
        assert {post(gateway.url, "login", USER).status for _ in range(51)} == {200}
        wrong = {**USER, "password": "wrong"}
        assert [post(gateway.url, "login", wrong).status for _ in range(6)] == [200] * 5 + [429]


def test_a_token_of_another_secret_is_an_error_and_no_cookie(shop: Shop) -> None:
    shop.database.execute(
        "create or replace function shop.broken(email text, password text) returns text language sql as "
        f"$$ select '{jwt.encode({'exp': time.time() + 60}, 'k' * 32, 'HS256')}' $$; "
        "grant execute on function shop.broken to anon"
    )
    with shop.gateway(auth_functions="shop.broken") as gateway:
        reply = post(gateway.url, "broken", USER)
        assert (reply.status, json.loads(reply.body)["code"]) == (500, "GW404")
        assert not reply.head.values(b"set-cookie")
        wait_until(lambda: "broken: " in gateway.output, "the reason in the log")


def test_the_pre_request_runs_before_auth_functions(shop: Shop) -> None:
    with shop.gateway(pre_request="shop.closed") as gateway:
        assert post(gateway.url, "login", USER).status == 200
        closed = post(gateway.url, "login", USER, ("X-Closed", "1"))
        assert (closed.status, json.loads(closed.body)["message"]) == (503, "Back soon")
