"""The stories of the published recipes and of the project's pages: as a page, and as a client with a token.

The gateway has the settings that `postgate suggest` prints for the database.

Register, sign in, wrong password, own rows, current user, refresh, silent renewal, logout, use after logout.
"""

import asyncio
import base64
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jwt
import pytest
from harness.relay.answers import Answer
from harness.relay.deadlines import wait_until
from harness.site.client import ask
from harness.site.gateways import StartGateway
from harness.site.published import own_sql, published_sql
from harness.site.roads import AUTH, JSON, SECRET, bearer, cookies_of
from harness.site.visitors import HTTPS, Browser

from app.devstack import Database, DevStack
from app.diagnostics.suggest import suggest

ROLES = "web_anon, authenticated, admin_user, regular_user, member, user_ann, user_bob"


@dataclass(frozen=True)
class Recipe:
    """What a story needs to know of a recipe."""

    schemas: tuple[str, ...]
    user: Mapping[str, Any]
    password: str  # the name of its member
    wrong: int  # the status for a wrong password
    rows: str
    first: bytes  # what the rows begin with
    in_body: bool = False  # the token is
    register: bool = False
    who: str = ""  # the function of the current user
    refresh: str = "/rpc/refresh_token"


_NOTE: dict[str, Any] = {"rows": "/rest/note?select=body", "first": b'[{"body":"mine"}]'}
_COOKIES = Recipe(("api", "auth"), {"user_": "demo", "pass": "demo"}, "pass", 401, **_NOTE)
RECIPES = {
    "000": _COOKIES,
    "002": _COOKIES,
    "003": Recipe(
        ("public", "auth"),
        {"email": "user@example.com", "password": "securepassword123"},
        "password",
        200,
        "/rest/participants?select=name",
        b'[{"name":"user@example.com"}]',
        in_body=True,
        register=True,
        who="current_user",
    ),
    "004": Recipe(
        ("public", "api"),
        {"email": "demo@b.co", "pass": "demo"},
        "pass",
        403,
        **_NOTE,
        in_body=True,
        refresh="",
    ),
    "cookies-in-sql": replace(_COOKIES, user={"user_": "ann", "pass": "correct horse"}),
    "token-in-the-reply": Recipe(
        ("api", "auth"), {"email": "ann", "password": "correct horse"}, "password", 200, **_NOTE,
        in_body=True, who="me", refresh="/rpc/refresh",
    ),
    "postgres-users": Recipe(
        ("api", "auth"), {"role": "user_ann", "password": "correct horse"}, "password", 401, **_NOTE,
        in_body=True, who="me", refresh="",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A recipe with a gateway in front of its database."""

    recipe: Recipe
    url: str
    output: Any

    def login(self, **changes: str) -> dict[str, Any]:
        return {**self.recipe.user, **changes}

    def rows(self, *fields: tuple[str, str]) -> Answer:
        profile = [("Accept-Profile", "api")] if "note" in self.recipe.rows else []
        return ask(self.url, "GET", self.recipe.rows, [*profile, *fields])


@pytest.fixture(scope="module", params=RECIPES)
def told(request: pytest.FixtureRequest, stack: DevStack, start_gateway: StartGateway) -> Iterator[Told]:
    name, recipe = request.param, RECIPES[request.param]
    with stack.fresh_database(prepared=False) as database:
        is_page = not name.isdigit()
        sql = own_sql(name, database.name) if is_page else published_sql(name)
        if sql is None:
            pytest.skip("the published page is not at hand")
        database.execute(sql)
        settings = suggested(database)
        is_base64 = settings["POSTGATE_JWT_SECRET_IS_BASE64"] == "true"
        secret = base64.b64encode(SECRET.encode()).decode() if is_base64 else SECRET
        options = replace(
            stack.options,
            jwt_secret=secret,
            jwt_secret_is_base64=is_base64,
            schemas=recipe.schemas,
            anonymous_role=settings["POSTGATE_ANON_ROLE"],
        )
        postgrest = stack.start_postgrest(options, database=database)
        environ = {
            "POSTGATE_DATABASE_URL": database.gateway_dsn,
            "POSTGATE_POSTGREST_URL": postgrest.url,
            "POSTGATE_JWT_SECRET": secret,
            "POSTGATE_TRUSTED_PROXIES": "127.0.0.1",
            **settings,
        }
        with start_gateway(environ) as gateway:
            story = Told(recipe, gateway.url, gateway)
            if recipe.register:
                post(story, "/rpc/register_user", recipe.user)
            yield story
        postgrest.stop()
    stack.database.execute(f"drop role if exists {ROLES}")


def suggested(database: Database) -> dict[str, str]:
    """The settings that `postgate suggest` prints for a database."""
    found = asyncio.run(suggest(database.owner_dsn))
    return {one.variable: one.value for one in found if one.variable}


def post(told: Told, target: str, body: Mapping[str, Any], *fields: tuple[str, str]) -> Answer:
    return ask(told.url, "POST", target, [*HTTPS, JSON, *fields], json.dumps(body).encode())


def is_own(told: Told, answer: Answer) -> bool:
    return (answer.status, answer.body) == (200, told.recipe.first)


def test_a_page_has_a_session(told: Told) -> None:
    page, recipe = Browser(told.url), told.recipe
    signed_in = page.post("/rpc/login", told.login())
    assert signed_in.status in {200, 204}, signed_in.body
    assert b"eyJ" not in signed_in.body, "no script can read a token"
    first = page.cookie("access_token")
    assert is_own(told, read(page, told))
    if recipe.who:
        who = page.post(f"/rpc/{recipe.who}", {}, *([AUTH] if recipe.who == "current_user" else []))
        assert (who.status, next(iter(recipe.user.values())).encode() in who.body) == (200, True)
    if recipe.refresh:
        assert page.post(recipe.refresh, {}).status in {200, 204}
        assert page.cookie("access_token") != first or not recipe.in_body
        page.forget("access_token")
        assert is_own(told, read(page, told)), "renewed inside the request"
    last = page.cookie("access_token")
    assert page.post("/rpc/logout", {}).status == 204
    assert not page.cookies
    assert read(page, told).status == 401
    page.cookies["__Host-access_token"] = last
    assert read(page, told).status == 401, "the token itself is over"


def read(page: Browser, told: Told) -> Answer:
    profile = [("Accept-Profile", "api")] if "note" in told.recipe.rows else []
    return page.get(told.recipe.rows, *profile)


def test_a_client_with_a_token_sees_the_recipe(told: Told) -> None:
    recipe = told.recipe
    # A function without `jti` makes the same token again within a second, and an earlier story revoked it
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() > begun + 1, "another second")
    reply = post(told, "/rpc/login", told.login())
    held = json.loads(reply.body) if recipe.in_body else {}
    if recipe.in_body:
        token = held.get("token") or held["access_token"]
    else:
        token = cookies_of(reply)["__Host-access_token"]
    assert is_own(told, told.rows(bearer(token)))
    if recipe.refresh and recipe.in_body:
        renewed = json.loads(post(told, recipe.refresh, {"refresh_token": held["refresh_token"]}).body)
        assert is_own(told, told.rows(bearer(renewed.get("token") or renewed["access_token"])))
    assert post(told, "/rpc/logout", {}, bearer(token)).status == 204
    refused = told.rows(bearer(token))
    assert (refused.status, json.loads(refused.body)["code"]) == (401, "GW201")


def test_a_wrong_password_is_the_functions_reply_and_sets_nothing(told: Told) -> None:
    page = Browser(told.url)
    refused = page.post("/rpc/login", told.login(**{told.recipe.password: "wrong"}))
    assert refused.status == told.recipe.wrong
    assert not page.cookies
    assert read(page, told).status == 401


def test_two_sign_ins_in_one_second_are_two_sessions(told: Told) -> None:
    if not told.recipe.in_body:
        pytest.skip("these cookies are the function's own")
    pages = [Browser(told.url) for _ in range(2)]
    for page in pages:
        page.post("/rpc/login", told.login())
    assert pages[0].post("/rpc/logout", {}).status == 204
    assert is_own(told, read(pages[1], told))


@pytest.fixture(scope="module")
def services(stack: DevStack, start_gateway: StartGateway) -> Iterator[str]:
    """The gateway of the published recipe in which a service issues the tokens."""
    sql = published_sql("001")
    if sql is None:
        pytest.skip("the published page is not at hand")
    secret = base64.b64encode(SECRET.encode()).decode()
    with stack.fresh_database(prepared=False) as database:
        database.execute(sql)
        database.execute(f"alter database \"{database.name}\" set pgrst.jwt_secret = '{secret}'")
        options = replace(stack.options, jwt_secret=secret, schemas=("api", "auth"))
        postgrest = stack.start_postgrest(options, database=database)
        environ = {
            "POSTGATE_DATABASE_URL": database.gateway_dsn,
            "POSTGATE_POSTGREST_URL": postgrest.url,
            "POSTGATE_JWT_SECRET": secret,
            "POSTGATE_TRUSTED_PROXIES": "127.0.0.1",
            **suggested(database),
        }
        with start_gateway(environ) as gateway:
            yield gateway.url
        postgrest.stop()
    stack.database.execute("drop role if exists authenticated, service")


def test_a_service_issues_the_session_of_a_page(services: str) -> None:
    own = jwt.encode({"role": "service", "exp": time.time() + 60}, SECRET, "HS256")
    page = Browser(services)
    issued = page.post("/rpc/issue_tokens", {"subject": "demo"}, AUTH, bearer(own))
    assert issued.status == 204
    assert issued.head.values(b"cache-control") == [b"no-store"]
    rows = page.get("/rest/note?select=body")
    assert (rows.status, rows.body) == (200, b'[{"body":"mine"}]')
    assert page.post("/rpc/refresh_tokens", {}).status == 204
    claims = jwt.decode(page.cookie("access_token"), options={"verify_signature": False})
    assert (claims["role"], claims["sub"]) == ("authenticated", "demo")
    page.forget("access_token")
    assert page.get("/rest/note?select=body").body == b'[{"body":"mine"}]'
    last = page.cookie("access_token")
    assert page.post("/rpc/logout", {}).status == 204
    assert not page.cookies
    page.cookies["__Host-access_token"] = last
    assert page.get("/rest/note").status == 401


def test_a_page_cannot_issue_tokens(services: str) -> None:
    assert Browser(services).post("/rpc/issue_tokens", {"subject": "demo"}, AUTH).status == 401
