"""A database login that has nothing to do with Postgate gets neither its JWT secret nor a password."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from harness.relay.deadlines import wait_until
from harness.relay.tokens import mint
from harness.shadows import BETTER_MATCHES, FOUND_FIRST, INTRUDER, Shadows, plant
from harness.site.client import Field, ask
from harness.site.curl import Curl
from harness.site.gateways import StartGateway
from harness.site.site import Site

from app.devstack import Database, DevStack

JSON: Field = ("Content-Type", "application/json")
ACCOUNT = ("-H", "Content-Type: application/json", "-H", "Content-Profile: auth")
LOGIN = (*ACCOUNT, "-d", '{"user_":"demo","pass":"demo"}')

# What two statements of the gateway once named without a schema, with the login that may plant it
FORGE = """
create role reporting login;
grant create on schema public to reporting;
"""
PLANTED = """
create table public.loot (value text);
grant insert on public.loot to public;
create function public.evil(state bigint, value text) returns bigint language plpgsql as
  $$ begin insert into public.loot values (value); return state + 1; end $$;
create aggregate public.count(text) (sfunc = public.evil, stype = bigint, initcond = '0');
create function public.json_build_array(json) returns json language plpgsql as
  $$ begin insert into public.loot values ($1::text); return pg_catalog.json_build_array($1); end $$;
"""


@dataclass(frozen=True, slots=True)
class Trap:
    site: Site
    shadows: Shadows


@pytest.fixture(scope="module")
def database(stack: DevStack) -> Iterator[Database]:
    with stack.fresh_database() as database:
        yield database


@pytest.fixture(scope="module")
def own_site(stack: DevStack, database: Database, start_gateway: StartGateway) -> Iterator[Site]:
    postgrest = stack.start_postgrest(database=database)
    behind = {
        **stack.gateway_environ(),
        "POSTGATE_DATABASE_URL": database.gateway_dsn,
        "POSTGATE_OWNER_DATABASE_URL": database.owner_dsn,
        "POSTGATE_POSTGREST_URL": postgrest.url,
    }
    with start_gateway(behind, access_cookie="access_token") as gateway:
        yield Site(gateway, postgrest, database, stack.jwt_secret, behind)
    postgrest.stop()


@pytest.fixture
def forged(own_site: Site) -> Iterator[Site]:
    own_site.database.execute(FORGE)
    own_site.database.execute(PLANTED, role="reporting")
    yield own_site
    own_site.database.execute("drop owned by reporting; drop role reporting")


def _loot(site: Site) -> list[str]:
    return [row[0] for row in site.database.fetch("select l.value from public.loot as l")]


def test_the_key_is_not_in_the_loot_and_a_token_made_without_it_is_refused(
    forged: Site, tmp_path: Path
) -> None:
    curl = Curl(forged.url, tmp_path)
    assert curl("/rpc/logout", "-X", "POST").status == 204
    assert curl("/rpc/login", *LOGIN).status == 204
    assert curl("/rpc/login", *ACCOUNT, "-d", '{"user_":"demo","pass":"a guess"}').status == 401

    loot = _loot(forged)
    assert loot == []
    for key in [*(value.encode() for value in loot), b"\0\0\0", forged.jwt_secret[:-1].encode()]:
        token = mint(key=key, role="basic_subscriber", sub="alice", username="alice")
        answer = ask(forged.url, "GET", "/rpc/whoami", [("Authorization", f"Bearer {token}")])
        assert answer.status == 401, urlsafe_b64encode(key)


def test_the_planted_aggregate_would_have_caught_it(forged: Site) -> None:
    forged.database.execute("select count('a secret'::text)")

    assert _loot(forged) == ["a secret"]


@pytest.fixture(scope="module")
def trap(stack: DevStack, own_site: Site, start_gateway: StartGateway) -> Iterator[Trap]:
    """Shadows of everything, before pg_catalog in the path of the gateway's login; then a gateway starts."""
    shadows = plant(own_site.database, log=stack.postgres.log, statements=[own_site_statements(own_site)])
    name = own_site.database.name
    own_site.database.execute(
        f"alter role gateway in database {name} set search_path = {INTRUDER}, public, pg_catalog"
    )
    shadows.clear()
    with start_gateway(own_site.environ) as gateway:
        yield Trap(replace(own_site, gateway=gateway), shadows)


def own_site_statements(site: Site) -> str:
    """The source of every shipped function: what calls of the gateway run."""
    rows = site.database.fetch(
        "select pg_get_functiondef(p.oid) from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace"
        " where n.nspname in ('auth', 'auth_private') and p.prokind = 'f'"
    )
    return "\n".join(row[0] for row in rows)


def test_a_whole_day_of_sessions_captures_nothing(trap: Trap, tmp_path: Path) -> None:
    site, shadows = trap.site, trap.shadows
    curl = Curl(site.url, tmp_path)
    assert curl("/rpc/login", *LOGIN).status == 204
    first = curl.jar["access_token"]
    assert curl("/rpc/login", *ACCOUNT, "-d", '{"user_":"demo","pass":"a guess"}').status == 401
    assert curl("/rpc/login", *ACCOUNT, "-d", '{"user_":"a\\u0000","pass":"a guess"}').status == 400
    assert curl("/rpc/refresh_token", "-X", "POST").status == 204
    # Not a table, for what PostgREST itself leaves to its path is not the question here
    cookie = ("Cookie", f"refresh_token={curl.jar['refresh_token']}")
    renewed = ask(site.url, "GET", "/rest/no_such_table", [cookie])
    assert (renewed.status, len(list(renewed.head.values(b"set-cookie")))) == (404, 2)
    sessions = curl("/rpc/sessions", "-X", "POST", *ACCOUNT, "-d", "{}")
    assert sessions.status == 200, sessions.body
    assert json.loads(sessions.body)
    changed = curl("/rpc/change_password", *ACCOUNT, "-d", '{"old":"demo","new":"demo-demo-1"}')
    assert changed.status == 204, changed.body
    assert curl("/rpc/logout_others", "-X", "POST", *ACCOUNT, "-d", "{}").status in {200, 204}
    assert curl("/rpc/logout", "-X", "POST").status == 204
    wait_until(
        lambda: ask(site.url, "GET", "/rest/task", [("Cookie", f"access_token={first}")]).status == 401,
        "the end of the session to be heard",
    )
    assert site.gateway.is_ready
    wait_until(lambda: bool(_failures(site)), "the note of the failure")

    assert shadows.captured() == []


def _failures(site: Site) -> list[object]:
    query = "select e.kind from auth.event as e where e.kind OPERATOR(pg_catalog.=) 'sign_in_failed'"
    return list(site.database.fetch(query))


@pytest.mark.parametrize("statement", [*BETTER_MATCHES.values(), *FOUND_FIRST.values()])
def test_statements_that_name_no_schema_are_captured_there(trap: Trap, statement: str) -> None:
    trap.shadows.clear()
    trap.site.database.execute(statement, role="gateway")

    assert trap.shadows.captured()
    trap.shadows.clear()
