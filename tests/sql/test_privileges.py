"""Who may do what: asked of the server for each role, and not of the comments in the files."""

import asyncpg
import pytest

from .visitors import DEMO_HASH, SECRET, SETTINGS, Connection, Visitor

pytestmark = pytest.mark.anyio

API = {
    *("login", "logout", "refresh_token", "me", "user_id", "username"),
    *("sessions", "end_session", "logout_others", "logout_all", "change_password"),
    *("register", "verify_email", "create_guest", "update_profile", "delete_account"),
    *("request_password_reset", "reset_password", "request_sign_in_code", "sign_in_with_code"),
    *("reauthenticate", "request_email_change", "confirm_email_change", "cancel_email_change"),
    *("invite", "accept_invitation"),
}

GATEWAY = {"ended_sessions", "note_failure", "lease_mails", "mail_sent", "mail_failed", "mail_queue"}

EXECUTABLE = """
select n.nspname || '.' || p.proname as name
  from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
 where n.nspname in ('auth', 'auth_private', 'postgate')
   and has_schema_privilege($1, n.oid, 'usage')
   and has_function_privilege($1, p.oid, 'execute')
"""


@pytest.mark.parametrize(
    ("role", "functions"),
    [
        ("anon", API | {"admit"}),
        ("signed_in", API),
        ("basic_subscriber", API),
        ("gateway", GATEWAY),
        ("authenticator", set()),
    ],
)
async def test_each_role_may_execute_these_functions_and_no_others(
    connection: Connection, role: str, functions: set[str]
) -> None:
    rows = await connection.fetch(EXECUTABLE, role)

    assert {row["name"] for row in rows} == {f"auth.{name}" for name in functions}


ATTACKS = {
    "read the hashes": "select password from auth.user",
    "read the names": "select username from auth.user",
    "count the users": "select count(*) from auth.user",
    "make a user": "insert into auth.user (username, password, role) values ('eve', 'eve', 'anon')",
    "make a user of a hash": f"select auth.add_user('eve', '{DEMO_HASH}', 'basic_subscriber')",
    "take over a user": f"select auth.set_password_hash('demo', '{DEMO_HASH}')",
    "read the digests": "select digest from auth.refresh_token",
    "see who is signed in": "select subject, address from auth.session",
    "read the identities": "select subject from auth.identity",
    "take over an identity": "insert into auth.identity select 'a', 'b', gen_random_uuid()",
    "be another user": "update auth.session set user_id = gen_random_uuid()",
    "end a session": "update auth.session set ended_at = now(), ended_reason = 'x'",
    "end a session by its id": "select auth_private.end_session(gen_random_uuid(), 'x')",
    "end a user's sessions": "select auth_private.end_sessions_of('demo', 'x')",
    "end a subject's sessions": "select auth_private.end_sessions_of_subject('demo', 'x')",
    "announce an end": "select auth_private.announce_end(gen_random_uuid())",
    "disable a user": "select auth.disable_user('demo')",
    "enable a user": "select auth.enable_user('demo')",
    "read the events": "select username from auth.event",
    "forge an event": "insert into auth.event (at, kind) values (now(), 'sign_in')",
    "forge an event by a function": "select auth_private.record_event('sign_in', 'demo')",
    "forget events": "delete from auth.event",
    "read the ended sessions": "select sid from auth_private.ended_session",
    "revive the tokens of one": "delete from auth_private.ended_session",
    "set a password": "select auth_private.set_own_password(gen_random_uuid(), 'x')",
    "mint a token": "select auth_private.mint_access_token('{}')",
    "sign a token": "select auth_private.sign_jwt('{}', 'key')",
    "read the key": "select auth_private.jwt_key()",
    "start a session": "select auth_private.start_session(gen_random_uuid(), '{pwd}')",
    "start a session without a user": "select auth.issue_tokens('eve', 'basic_subscriber')",
    "start a foreign session": "select auth_private.start_foreign_session('eve', 'anon', '{}', '{}')",
    "open a session": "select auth_private.open_session(null, 'eve', 'basic_subscriber', '{}', '{}')",
    "issue a token": "select auth_private.issue_refresh_token(null)",
    "rotate a token": "select auth_private.rotate_refresh_token('x')",
    "lower the cost": "create or replace function auth_private.bcrypt_cost() returns integer"
    " language sql immutable return 4",
    "put a function in the way": "create function auth.login(text, text) returns void language sql as ''",
    "put a table in the way": "create table auth.shadow (a int)",
    "read the book": "select * from postgate.migration",
    "forge the book": "insert into postgate.migration (version, name) values (99, 'x')",
    "read the codes": "select id from auth.one_time_code",
    "read the mails": "select address from auth.outbox",
    "send a mail": "insert into auth.outbox (purpose, address) values ('notice', 'eve@example.com')",
    "open the registration": "update auth.registration set mode = 'open', role = 'basic_subscriber'",
    "be permitted to invite": "insert into auth.invitation_right values ('anon', 'basic_subscriber')",
    "let a common password pass": "delete from auth_private.common_password",
    "open a code": "select auth_private.open_code('sign_in', null, 'eve@example.com', '1 hour')",
    "derive a code": "select auth_private.link_code('x', gen_random_uuid())",
    "add a user": "select auth_private.new_user('x', 'eve@example.com', 'basic_subscriber', 'x')",
    "become the owner": "set local role auth_owner",
    "become a superuser": "set local role postgres",
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("role", ["anon", "basic_subscriber", "gateway", "authenticator"])
async def test_no_role_but_the_owner_can(connection: Connection, role: str, attack: str) -> None:
    await connection.execute("select set_config('app.settings.jwt_secret', $1, true)", SECRET)
    # As the login itself: `set role` would be judged by the rights of whoever connected
    await connection.execute(f"set local session authorization {role}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(ATTACKS[attack])


@pytest.mark.parametrize("table", ["user", "identity", "session", "refresh_token", "event"])
async def test_a_table_granted_by_mistake_shows_no_rows(connection: Connection, table: str) -> None:
    await Visitor(connection).login()
    await connection.execute("insert into auth.identity select 'https://idp.test', '7', id from auth.user")
    count = f"select count(*) from auth.{table}"  # noqa: S608 (of the names above)
    assert await connection.fetchval(count) > 0
    await connection.execute(f"grant select on auth.{table} to anon; set local role anon")

    assert await connection.fetchval(count) == 0


async def test_a_function_granted_by_mistake_stays_out_of_reach(connection: Connection) -> None:
    await connection.execute(
        "grant execute on all functions in schema auth_private to anon; set local role anon"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="schema auth_private"):
        await connection.execute("select auth_private.jwt_key()")


async def test_the_gateway_may_become_anon_and_nobody_else(connection: Connection) -> None:
    becomes = await connection.fetch(
        "select rolname from pg_roles where pg_has_role('gateway', oid, 'member') order by 1"
    )

    assert [row["rolname"] for row in becomes] == ["anon", "gateway"]


async def test_the_owner_of_the_functions_is_no_superuser_and_cannot_log_in(connection: Connection) -> None:
    (owner,) = await connection.fetch("select * from pg_roles where rolname = 'auth_owner'")

    for power in ("super", "canlogin", "createrole", "createdb", "bypassrls", "replication"):
        assert owner[f"rol{power}"] is False
    memberships = "select count(*) from pg_auth_members where member = $1"
    assert await connection.fetchval(memberships, owner["oid"]) == 0


async def test_a_new_function_is_nobodys_until_it_is_granted(connection: Connection) -> None:
    await connection.execute(
        "create function public.made_by_the_migrator() returns int language sql return 1;"
        "set local role auth_owner;"
        "create function auth.made_by_the_owner() returns int language sql return 1;"
        "reset role"
    )
    for function in ("public.made_by_the_migrator()", "auth.made_by_the_owner()"):
        assert not await connection.fetchval("select has_function_privilege('anon', $1, 'execute')", function)


async def test_the_gateway_calls_its_functions_by_its_own_login(connection: Connection) -> None:
    await connection.execute("set local session authorization gateway")
    await connection.execute("select auth.note_failure('sign_in_failed', 'demo', '', '')")

    assert await connection.fetch("select * from auth.ended_sessions()") == []
    assert await connection.fetch("select * from auth.lease_mails(10, 30)") == []


SHADOWS = """
create temp table "user" (like auth.user including defaults);
create temp table session (like auth.session);
create temp table event (like auth.event);
insert into "user" (id, username, password, role, created_at)
values (gen_random_uuid(), 'eve', 'x', 'basic_subscriber', now());
grant all on "user" to public;
create function public.yes(text, text) returns boolean language sql immutable return true;
create operator public.= (leftarg = text, rightarg = text, procedure = public.yes);
create function public.octet_length(text) returns integer language sql immutable return 1;
create function public.clock_timestamp() returns timestamptz language sql return 'infinity'::timestamptz;
grant execute on all functions in schema public to public;
"""


@pytest.mark.parametrize("search_path", ["public, pg_catalog", "pg_temp, public, pg_catalog", "public"])
async def test_what_the_caller_puts_in_the_way_is_not_found(connection: Connection, search_path: str) -> None:
    """CVE-2007-2138, CVE-2018-1058: a search path that a definer function takes from its caller."""
    await connection.execute(SHADOWS)
    eve = Visitor(connection, settings={**SETTINGS, "search_path": search_path})

    for user, password in [("demo", "wrong"), ("eve", "x"), ("demo", "x" * 100)]:
        assert (await eve.login(user, password)).sqlstate == "PT401"
    answer = await eve.login("demo", "demo")
    assert answer.cookie("refresh_token").attribute("Max-Age") == "2592000"
    assert (await eve.refresh()).status == 204
