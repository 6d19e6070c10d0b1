"""Every spelling by which PostgREST finds a function is that function to the gateway, or is refused."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from core.builders import decide, gateway, router, session
from harness.site.client import ask

from app.core.http.routing import AuthFunction
from app.devstack import DevStack
from app.errors import GatewayError

SCHEMA = "auth_shown"
RULES = gateway(
    auth_schema=SCHEMA.encode(), router=router(functions=("login",), account_functions=("change_password",))
)
PATHS = [
    *["/rpc/login", "/rpc/%6cogin", "/rpc/%6Cogin", "/rpc/log%69n", "/%72pc/login", "/rpc/%6C%6F%67%69%6E"],
    *["/rpc/%256cogin", "/rpc/login/", "/rpc/login//", "//rpc/login", "/rpc//login", "/rpc/login;x"],
    *["/rpc/login;jsessionid=1", "/rpc/login%3Bx", "/rpc/login%00", "/rpc/login%20", "/rpc/%20login"],
    *["/rpc/login+", "/rpc/Login", "/rpc/%c1%acogin", "/rpc/%e0%81%acogin", "/rpc/%ef%bd%8cogin"],
    *[
        "/rpc/lo%C2%ADgin",
        "/rpc/log%C4%B1n",
        "/rpc/./login",
        "/rpc/x/../login",
        "/rpc%2flogin",
        "/rpc/login%2f",
    ],
    *["/rpc\\login", "/rpc/login?x=1", "/rpc/login#x", "/rpc/login%3F", "/rpc/login%23", "/rpc/login%"],
    *["/rpc/login%ff", "/rpc/%%36cogin", "/rpc/login.json", '/rpc/"login"', "/rpc/auth_shown.login"],
    *["http://gw.test/rpc/login", "http://gw.test/rpc/%6cogin", "/rpc/[login]", "/rpc/login|", "/RPC/login"],
]
PROFILES = [
    *[SCHEMA, f" {SCHEMA}", f"{SCHEMA} ", f"\t{SCHEMA}\t", f"{SCHEMA},api", f'"{SCHEMA}"', SCHEMA.upper()],
    *[f"api,{SCHEMA}", f"{SCHEMA};q=1", "auth%5fshown", f"{SCHEMA}\xa0", f"{SCHEMA}\x0b", ""],
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]


@pytest.fixture(scope="module")
def url(stack: DevStack) -> Iterator[str]:
    """A PostgREST that shows a schema with two functions, each of which answers 418."""
    with stack.fresh_database() as own:
        for name in ("login", "change_password"):
            own.execute(
                f"create schema if not exists {SCHEMA}; grant usage on schema {SCHEMA} to anon;"
                f"create function {SCHEMA}.{name}() returns void stable language plpgsql"
                " as $$ begin raise sqlstate 'PT418'; end $$;"
                f"grant execute on function {SCHEMA}.{name}() to anon"
            )
        options = replace(stack.options, schemas=("api", SCHEMA), listen="tcp")
        postgrest = stack.start_postgrest(options, database=own)
        yield postgrest.url
        postgrest.stop()


def reaches(url: str, method: str, path: str, field: str = "Content-Profile", profile: str = SCHEMA) -> bool:
    fields = [("Host", "gw.test"), ("Content-Type", "application/json"), (field, profile)]
    return ask(url, method, path, fields, b"{}" if method == "POST" else None).status == 418


def is_relayed(method: str, path: str, field: str = "Content-Profile", profile: str = SCHEMA) -> bool:
    """Whether the gateway relays it for somebody who is signed in, around its own limits."""
    try:
        found = decide(f"{method} {path}", session(), f"{field}: {profile}", gate=RULES)
    except GatewayError:
        return False
    return not isinstance(found.lane, AuthFunction)


def test_postgrest_is_seen_to_find_functions(url: str) -> None:
    found = [path for path in PATHS if reaches(url, "POST", path)]
    assert {"/rpc/login", "/rpc/%6cogin", "/%72pc/login"} <= set(found)
    assert len(found) < len(PATHS) / 2
    assert reaches(url, "GET", "/rpc/change_password", "Accept-Profile")


@pytest.mark.parametrize("path", PATHS)
def test_no_path_that_leads_to_a_function_is_relayed(url: str, path: str) -> None:
    if reaches(url, "POST", path):
        assert not is_relayed("POST", path)
        assert not is_relayed("POST", f"/rest{path}")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", ["login", "change_password"])
def test_no_profile_that_names_the_schema_is_relayed(url: str, name: str, profile: str) -> None:
    for method, field in (("POST", "Content-Profile"), ("GET", "Accept-Profile")):
        if reaches(url, method, f"/rpc/{name}", field, profile):
            assert not is_relayed(method, f"/rpc/{name}", field, profile)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("field", ["Accept-Profile", "Content-Profile"])
@pytest.mark.parametrize("name", ["login", "change_password"])
def test_no_method_that_calls_it_is_relayed(url: str, method: str, field: str, name: str) -> None:
    if reaches(url, method, f"/rpc/{name}", field):
        assert not is_relayed(method, f"/rpc/{name}", field)
