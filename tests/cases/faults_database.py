"""What an auth function leaves behind or lets slip, and what the gateway's own login may do."""

import json

import asyncpg
import pytest
from harness.relay.answers import Answer
from harness.relay.deadlines import wait_until
from harness.relay.lane import Lane

from cases.calling import (
    INVALID_CREDENTIALS,
    calling_lane,
    check_refused,
    check_untouched,
    claim,
    count,
    login,
    refresh_token_of,
)
from cases.faults_sessions import call
from cases.stage import Stage, check_own_answer, fault

RAISING = """
create table public.secret_table (secret_column text constraint secret_name unique);
insert into public.secret_table values ('secret value');
grant all on public.secret_table to public;
create or replace function auth.login(user_ text, pass text) returns void
  language plpgsql volatile
  as $$ begin
    case user_
      when 'a' then raise sqlstate 'PT401' using message = 'Invalid user or password';
      when 'b' then raise sqlstate 'PT500' using message = 'author', detail = 'told', hint = 'asked';
      when 'c' then perform secret_function(pass);
      when 'd' then insert into public.secret_table values (pass);
      when 'e' then perform pass::integer;
      when 'f' then execute 'select secret_column from nowhere where ' || pass;
    end case;
  end $$;
"""
SERVERS_OWN = {  # user_ and pass -> the answer, in words that hold nothing
    ("c", "secret value"): (404, "42883"),
    ("d", "secret value"): (409, "23505"),
    ("e", "secret value"): (400, "22P02"),
    ("f", "secret value"): (400, "42601"),
    ("z", "secret value"): (400, "20000"),
}
LEAVING = """
create function auth.leave() returns json
  language plpgsql volatile
  as $$ begin
    perform set_config('response.headers', '[{"Set-Cookie":"access_token=somebody-elses"}]', false);
    perform set_config('response.status', '418', false);
    perform set_config('request.cookies', '{"refresh_token":"somebody-elses"}', false);
    perform set_config('app.settings.left', 'behind', false);
    return json_build_object('pid', pg_backend_pid());
  end $$;
create function auth.look() returns json
  language sql volatile
  as $$
    select json_build_object(
      'pid', pg_backend_pid(), 'role', current_user, 'cookies', current_setting('request.cookies'),
      'left', current_setting('app.settings.left', true), 'headers', current_setting('response.headers')
    )
  $$;
create function auth.take_role() returns json
  language plpgsql volatile
  as $$ begin
    set role anon;
    return json_build_object('pid', pg_backend_pid());
  end $$;
grant execute on function auth.leave(), auth.look(), auth.take_role() to anon;
"""
NOTING = """
create table public.noted (role text, pid integer);
grant insert on public.noted to public;
create or replace function auth.note_failure(kind text, username text, address text, user_agent text)
  returns void
  language sql volatile
  as $$ insert into public.noted values (current_user, pg_backend_pid()) $$;
grant execute on function auth.note_failure(text, text, text, text) to public;
"""
FUNCTIONS = "login,logout,refresh_token,leave,look,take_role"
EXECUTABLE = """
select n.nspname || '.' || p.proname as name
  from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
 where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
   and has_schema_privilege($1, n.oid, 'usage')
   and has_function_privilege($1, p.oid, 'execute')
"""
TOUCHABLE = """
select n.nspname || '.' || c.relname as name
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
 where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
   and c.relkind in ('r', 'v', 'm', 'p', 'f')
   and (
     has_table_privilege($1, c.oid, 'select, insert, update, delete, truncate, references, trigger')
     or has_any_column_privilege($1, c.oid, 'select, insert, update, references')
   )
"""
OWNED = """
select 'relation' as kind from pg_class where relowner = $1::regrole
union all select 'function' from pg_proc where proowner = $1::regrole
union all select 'schema' from pg_namespace where nspowner = $1::regrole
"""
UNPINNED = """
select p.oid::regprocedure::text as name
  from pg_proc as p
 where p.prosecdef
   and p.pronamespace::regnamespace::text in ('auth', 'auth_private', 'postgate', 'api', 'public')
   and not exists (select from unnest(p.proconfig) as setting where setting like 'search_path=%pg_temp')
"""


@fault("F28")
def an_auth_function_that_fails(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    database.execute(RAISING)
    refused = login(lane, "a", "secret value")
    check_refused(refused, 401, "PT401", "secret")
    assert json.loads(refused.body)["message"] == INVALID_CREDENTIALS
    told = login(lane, "b", "secret value")
    check_refused(told, 500, "PT500", "secret")
    body = {"code": "PT500", "message": "author", "details": "told", "hint": "asked"}
    assert json.loads(told.body) == body
    for names, (status, code) in SERVERS_OWN.items():
        got = login(lane, *names)
        check_refused(got, status, code, "secret", "nowhere", "key (", "function auth")
        said = json.loads(got.body)
        assert (said["details"], said["hint"]) == (None, None)
        assert said["message"] in {
            "The database refused the call.",
            "The database failed to carry out the call.",
        }
    check_untouched(lane)


def said(lane: Lane, function: str, status: int = 200) -> dict[str, str]:
    got = call(lane, function)
    assert got.status == status
    body: dict[str, str] = json.loads(got.body)
    return body


@fault("F56")
def settings_that_a_call_leaves_behind(stage: Stage) -> None:
    lane, database = calling_lane(stage, auth_functions=FUNCTIONS)
    database.execute(LEAVING)
    first = login(lane, "demo", "demo")
    assert claim(first, "username") == "demo"
    second = login(lane, "alice", "wrong")
    check_refused(second, 401, "PT401", refresh_token_of(first), "access_token")
    failures = "auth.event where kind = 'sign_in_failed'"
    wait_until(lambda: count(database, failures) == 1, "the failure to be noted")
    left = call(lane, "leave")
    assert (left.status, left.head.value(b"set-cookie").partition(b";")[0]) == (
        418,
        b"access_token=somebody-elses",
    )
    looked = call(lane, "look")
    assert (looked.status, looked.head.values(b"set-cookie")) == (200, [])
    assert json.loads(looked.body) == {
        "pid": json.loads(left.body)["pid"],  # it is the same connection
        "role": "anon",
        "cookies": "{}",
        "left": json.loads(looked.body)["left"],
        "headers": "",
    }
    assert json.loads(looked.body)["left"] in {None, ""}
    check_nothing_of(login(lane, "alice", "wrong"))
    check_nothing_of(call(lane, "refresh_token"))
    assert claim(login(lane, "alice", "alice"), "username") == "alice"
    check_untouched(lane)


def check_nothing_of(got: Answer) -> None:
    check_own_answer(got, 401)
    assert not got.head.values(b"set-cookie")
    assert b"somebody-elses" not in got.head.raw + got.body


@fault("F57")
def a_role_that_a_call_leaves_behind(stage: Stage) -> None:
    """The gateway notes a failure as its own login: so it shows which role the connection is left in."""
    lane, database = calling_lane(stage, auth_functions=FUNCTIONS, password_functions="login")
    database.execute(LEAVING + NOTING)
    taken: set[str] = set()
    for times in range(1, 4):
        taken |= {said(lane, "take_role")["pid"] for _ in range(2)}
        assert said(lane, "look")["role"] == "anon"
        check_refused(login(lane, "demo", "wrong"), 401, "PT401")
        wait_until(lambda: count(database, "public.noted") == times, "the failure to be noted")  # noqa: B023
        assert {row["role"] for row in database.fetch("select role from public.noted")} == {"gateway"}
    assert taken & {row["pid"] for row in database.fetch("select pid from public.noted")}
    check_untouched(lane)


@fault("F58")
def the_login_of_the_gateway(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    assert login(lane, "demo", "demo").status == 204
    query = "select distinct usename from pg_stat_activity where application_name like 'postgate%'"
    own = f"{query} and datname = current_database()"
    assert [row["usename"] for row in database.fetch(own)] == ["gateway"]

    def names(query: str) -> set[str]:
        return {row["name"] for row in database.fetch(query, "gateway")}

    mails = {f"auth.{name}" for name in ("lease_mails", "mail_sent", "mail_failed", "mail_queue")}
    assert names(EXECUTABLE) == {"auth.ended_sessions", "auth.note_failure", *mails}
    assert names(TOUCHABLE) == set()
    assert database.fetch(OWNED, "gateway") == []
    assert database.fetch(UNPINNED) == []
    becomes = "select rolname as name from pg_roles where pg_has_role($1, oid, 'member')"
    assert names(becomes) == {"gateway", "anon"}
    [powers] = database.fetch("select * from pg_roles where rolname = $1", "gateway")
    for power in ("super", "inherit", "createrole", "createdb", "bypassrls", "replication"):
        assert powers[f"rol{power}"] is False
    for statement in (
        "select password from auth.user",
        "select digest from auth.refresh_token",
        "select auth.login('demo', 'demo')",
        "set role auth_owner",
        "set role basic_subscriber",
        "set role authenticator",
        "set role anon; select username from auth.user",
        "create table auth.own ()",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            database.execute(statement, role="gateway")
