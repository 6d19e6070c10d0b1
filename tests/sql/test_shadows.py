"""No routine, no migration and no verb of the owner runs what another login has planted.

The shadows stand in `public` and in a schema that the path names first, for every name of app/sql and of the
modules that the verbs are made of.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from harness.sessions import BEGIN_SESSION
from harness.shadows import BETTER_MATCHES, FOUND_FIRST, INTRUDER, Shadows, plant

from app.devstack import Database
from app.operator.migrations import MigrationUnsafe, migrate, pending
from app.operator.owner import OwnerRefused
from app.operator.sessions import end_session, end_sessions_of, list_sessions
from app.operator.tunables import list_tunables, set_tunable
from app.operator.users import add_user, disable_user, enable_user, list_users, set_password

from .clusters import Cluster
from .mailbox import KEY, WITH_KEY
from .visitors import RESTORE_THE_COST, Connection, Visitor

pytestmark = pytest.mark.anyio

APP = Path(__file__).parents[2] / "app"
MODULES = [
    "database",
    *(
        f"operator/{name}"
        for name in ("migrations", "owner", "rotation", "sessions", "trust", "tunables", "users")
    ),
]
TEXTS = [
    file.read_text() for file in [*sorted(APP.glob("sql/*/*.sql")), *(APP / f"{name}.py" for name in MODULES)]
]
PATHS = {"better matches in public": '"$user", public', "found first": f"{INTRUDER}, public, pg_catalog"}

Verb = Callable[[str], Awaitable[object]]


@pytest.fixture(scope="module", params=PATHS)
def shadows(request: pytest.FixtureRequest, cluster: Cluster, migrated: str) -> Iterator[Shadows]:
    with cluster.database(migrated) as database:
        planted = plant(database, log=cluster.log, statements=TEXTS)
        for role in ("postgres", "gateway", "authenticator", "anon", "auth_owner"):
            where = f'alter role {role} in database "{database.name}"'
            database.execute(f"{where} set search_path = {PATHS[request.param]}")
        yield planted


@pytest.fixture(scope="module")
def user(shadows: Shadows) -> str:
    """One whom every test may sign in."""
    shadows.database.execute(
        "insert into auth.user (username, password, role) values ('eva', 'demo', 'basic_subscriber')"
    )
    return "eva"


async def test_the_shadows_capture_what_names_no_schema(shadows: Shadows) -> None:
    controls = BETTER_MATCHES if PATHS["found first"] not in await _path(shadows) else FOUND_FIRST
    for statement in controls.values():
        shadows.clear()
        await _execute(shadows.database.owner_dsn, statement)
        assert shadows.captured(), statement


VERBS: dict[str, Verb] = {
    "migrate": migrate,
    "migrate --check": pending,
    "user add": lambda url: add_user(url, "zoe", "correct horse", "basic_subscriber"),
    "user passwd": lambda url: set_password(url, "zoe", "another horse"),
    "user list": list_users,
    "user disable": lambda url: disable_user(url, "zoe"),
    "user enable": lambda url: enable_user(url, "zoe"),
    "user logout": lambda url: end_sessions_of(url, "zoe"),
    "session list": lambda url: list_sessions(url, None),
    "session list of one": lambda url: list_sessions(url, "zoe"),
    "setting list": list_tunables,
    "setting set": lambda url: set_tunable(url, "session_life", 720),
}


async def test_no_verb_of_the_owner_is_captured(shadows: Shadows) -> None:
    shadows.clear()
    url = shadows.database.owner_dsn
    for name, verb in VERBS.items():
        await verb(url)
        assert shadows.captured() == [], name
    ((_, session),) = shadows.database.fetch(BEGIN_SESSION, "zoe")
    shadows.clear()
    await end_session(url, session)

    assert shadows.captured() == []


async def test_routines_that_are_applied_again_are_not_captured(shadows: Shadows) -> None:
    shadows.database.execute(
        "update postgate.migration set checksum = null where version operator(pg_catalog.=) 0"
    )
    shadows.database.execute(RESTORE_THE_COST)
    shadows.clear()

    assert [one.name for one in await migrate(shadows.database.owner_dsn)] == ["routines"]
    assert shadows.captured() == []


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
async def test_no_function_for_clients_is_captured(shadows: Shadows, user: str, path: str) -> None:
    """Called as PostgREST does, whatever path it has."""
    connection: Connection = await asyncpg.connect(shadows.database.gateway_dsn)
    headers = {"user-agent": "x", "x-forwarded-proto": "https"}
    visitor = Visitor(connection, settings={**WITH_KEY, "search_path": path}, headers=headers)
    shadows.database.execute(PERMIT)
    shadows.clear()
    first = await visitor.login(user)
    assert first.status == 204
    for call, status in CALLS.items():
        answer = await visitor.call(call)
        assert answer.status == status, (call, answer)
        assert shadows.captured() == [], call
    assert (await visitor.call(SESSIONS, claims=first.claims)).status == 401
    shadows.database.execute("grant execute on function auth.issue_tokens to anon")
    service = await visitor.call(SERVICE)
    assert (service.status, service.claims["tenant"]) == (204, 3)
    for call in ("auth.me()", "auth.user_id()", SESSIONS, "auth.refresh_token()", "auth.logout_all()"):
        assert (await visitor.call(call)).status == 204, call
        assert shadows.captured() == [], call
    await connection.execute(f"set search_path = {path}")
    await connection.execute("select auth.note_failure('sign_in_failed', 'eva', '192.0.2.1', 'x')")
    await connection.execute("select sid from auth.ended_sessions()")
    await connection.execute("select * from auth.lease_mails(100, 30)")
    await connection.execute("select * from auth.mail_queue()")
    for _, mail, lease in shadows.database.fetch(LEASED):
        await connection.execute("select auth.mail_failed($1, $2, 'x', false)", mail, lease)
        await connection.execute("select auth.mail_sent($1, $2)", mail, lease)
    assert shadows.captured() == []
    for purpose, call in WITH_CODE.items():
        ((request, code),) = shadows.database.fetch(CODE, purpose, KEY)
        shadows.clear()
        answer = await visitor.call(call, request, code)
        assert answer.status == 204, (call, answer)
        assert shadows.captured() == [], call
    await connection.close()
    shadows.database.execute(AS_BEFORE)


SESSIONS = "(select pg_catalog.count(*) from auth.sessions())"
CALLS = {
    "auth.me()": 204,
    "auth.user_id()": 204,
    "auth.username()": 204,
    "auth.refresh_token()": 204,
    SESSIONS: 204,
    "auth.end_session(null)": 404,
    "auth.logout_others()": 204,
    "auth.change_password('wrong', 'a horse that is correct')": 401,
    "auth.change_password('demo', 'a horse that is correct')": 204,
    "auth.change_password('demo', 'eva')": 422,
    "auth.reauthenticate('a horse that is correct')": 204,
    "auth.request_email_change('eva2@example.com')": 202,
    "auth.confirm_email_change(null, 'x')": 401,
    "auth.cancel_email_change(null, 'x')": 401,
    "auth.request_password_reset('eva@example.com')": 202,
    "auth.reset_password(null, 'x', 'a horse that is correct')": 401,
    "auth.request_sign_in_code('eva@example.com')": 202,
    "auth.sign_in_with_code(null, 'x')": 401,
    "auth.invite('new@example.com', 'basic_subscriber')": 202,
    "auth.accept_invitation(null, 'x', 'a horse that is correct')": 401,
    "auth.register('other@example.com', 'a horse that is correct', '{}')": 202,
    "auth.register('eva@example.com', 'a horse that is correct', '{}')": 202,
    "auth.verify_email(null, 'x')": 401,
    "auth.update_profile('{\"a\": 1}')": 204,
    "auth.create_guest()": 204,
    "auth.login('eva', 'wrong')": 401,
    "auth.login('nobody', 'wrong')": 401,
    "auth.logout_all()": 204,
    "auth.logout()": 204,
}
PERMIT = """
update auth.registration set mode = 'open', role = 'basic_subscriber', guest_role = 'basic_subscriber';
insert into auth.invitation_right values ('basic_subscriber', 'basic_subscriber') on conflict do nothing;
update auth.setting set value = 1 where name operator(pg_catalog.=) 'sign_in_codes';
update auth.setting set value = 1000 where name operator(pg_catalog.=) 'mails_per_hour';
update auth.setting set value = 1000 where name operator(pg_catalog.=) 'mails_per_day';
update auth.user set email = 'eva@example.com', email_verified_at = pg_catalog.now()
 where username operator(pg_catalog.=) 'eva';
delete from auth.one_time_code;
"""
AS_BEFORE = """
delete from auth.user where email operator(pg_catalog.=) 'other@example.com';
delete from auth.user where email operator(pg_catalog.=) 'new@example.com';
update auth.user set password = 'demo' where username operator(pg_catalog.=) 'eva';
"""
LEASED = "select purpose, id, lease from auth.outbox where lease is not null"
CODE = """
select request::pg_catalog.text, auth_private.link_code($2, id) from auth.one_time_code
 where purpose operator(pg_catalog.=) $1 and used_at is null and address is not null limit 1
"""
# In an order in which none voids the next
WITH_CODE = {
    "verify_email": "auth.verify_email($1::pg_catalog.text::pg_catalog.uuid, $2)",
    "invitation": (
        "auth.accept_invitation($1::pg_catalog.text::pg_catalog.uuid, $2, 'a horse that is correct')"
    ),
    "sign_in": "auth.sign_in_with_code($1::pg_catalog.text::pg_catalog.uuid, $2)",
    "change_email": "auth.confirm_email_change($1::pg_catalog.text::pg_catalog.uuid, $2)",
    "notice": "auth.cancel_email_change($1::pg_catalog.text::pg_catalog.uuid, $2)",
}
SERVICE = "auth.issue_tokens('device-7', 'basic_subscriber', '{\"tenant\": 3, \"role\": \"x\"}')"


async def test_the_owners_own_statements_are_not_captured_by_triggers_and_constraints(
    shadows: Shadows,
) -> None:
    """By hand, under whatever path: it is the statement's own names that the path is asked for."""
    shadows.clear()
    for statement in (
        "insert into auth.user (username, password, role) values ('hand', 'made', 'basic_subscriber')",
        "update auth.user set role = 'signed_in', email = pg_catalog.concat(username, '@example.com')",
        "insert into auth.identity select 'https://idp.example', '7', u.id from auth.user as u limit 1",
        "update auth.user set password = 'other'",
        "update auth.user set disabled_at = pg_catalog.now()",
        "update auth.setting set value = null",
        "delete from auth.user",
    ):
        await _execute(shadows.database.owner_dsn, statement)
        assert shadows.captured() == [], statement


# --- what is not a name, but another login's code where ours is looked for


async def test_a_book_that_another_login_has_made_is_not_read(cluster: Cluster) -> None:
    with cluster.database() as database:
        _squat(
            database,
            "create schema postgate;"
            "create view postgate.migration as"
            " select public.caught() as version, 'a' as name, repeat('a', 64) as checksum",
        )
        for attempt in (migrate, pending):
            with pytest.raises(MigrationUnsafe, match="In the schema postgate, another login owns"):
                await attempt(database.owner_dsn)
        assert _caught(database) == 0


async def test_functions_that_another_login_could_replace_are_not_called_by_a_superuser(
    cluster: Cluster, migrated: str
) -> None:
    with cluster.database(migrated) as database:
        _squat(database, "select 1")
        await list_users(database.owner_dsn)
        for change in ("alter schema auth owner to squatter", "grant create on schema auth to squatter"):
            database.execute(change)
            with pytest.raises(OwnerRefused, match="In the schema auth, another login"):
                await list_users(database.owner_dsn)
            database.execute("alter schema auth owner to auth_owner")
        database.execute("revoke create on schema auth from squatter; grant auth_owner to squatter")
        with pytest.raises(OwnerRefused, match="another login"):
            await list_users(database.owner_dsn)
        database.execute("revoke auth_owner from squatter")
        assert await list_users(database.owner_dsn)


def _squat(database: Database, statement: str) -> None:
    database.execute(
        "do $$ begin create role squatter login; exception when duplicate_object then null; end $$;"
        f'grant create on database "{database.name}" to squatter;'
        "grant create, usage on schema public to squatter"
    )
    database.execute(
        "create sequence public.catches;"
        "create function public.caught() returns bigint language sql as"
        " $$ select nextval('public.catches') $$;" + statement,
        role="squatter",
    )


def _caught(database: Database) -> int:
    called: bool = database.fetch("select is_called from public.catches")[0][0]
    return int(called)


async def _execute(dsn: str, statement: str) -> None:
    connection: Connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _path(shadows: Shadows) -> str:
    connection: Connection = await asyncpg.connect(shadows.database.owner_dsn)
    path: str = await connection.fetchval("show search_path")
    await connection.close()
    return path


# --- the text of the modules

CALL = re.compile(r"(?<![\w.\"])([a-z_]+)\(")
NO_FUNCTIONS = {"exists", "in", "values", "any", "coalesce", "array", "and", "or", "where", "as", "lateral"}
STATEMENT = re.compile(r"\b(?:select|update|insert|delete|set local|with)\b.*", re.DOTALL)


@pytest.mark.parametrize("module", MODULES)
def test_every_statement_of_a_module_names_the_schema_of_functions_casts_and_collations(module: str) -> None:
    source = (APP / f"{module}.py").read_text()
    texts = [text for quotes in re.findall(r'"""(.*?)"""|"([^"\n]*)"', source, re.DOTALL) for text in quotes]
    statements = [text for text in texts if re.match(r"\s*(select|update|insert|delete|with) ", text)]
    if Path(module).name in {"users", "sessions", "tunables", "migrations"}:
        assert statements
    for statement in statements:
        called = set(CALL.findall(statement)) - NO_FUNCTIONS
        assert not called & _BUILT_IN, statement
        assert re.findall(r"::(?!pg_catalog\.)\w+", statement) == []
        assert re.findall(r"collate (?!pg_catalog\.)\S+", statement) == []
        assert re.findall(r"(?:from|join) pg_(?!catalog\.)\w+", statement) == []


_BUILT_IN = {
    *(
        "count",
        "unnest",
        "current_setting",
        "set_config",
        "now",
        "clock_timestamp",
        "format",
        "lower",
        "upper",
    ),
    *("to_regclass", "array_agg", "json_build_array", "json_build_object", "row_to_json", "aclexplode"),
    *(
        "pg_advisory_lock",
        "has_schema_privilege",
        "has_function_privilege",
        "pg_has_role",
        "substr",
        "encode",
    ),
}
