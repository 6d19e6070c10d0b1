"""The database as the gateway's login sees it: its role, the auth functions, the clock."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from app.database import Connection, connected, rolled_back
from app.diagnostics.check import connections, issuers, routines
from app.diagnostics.check.connections import Room
from app.diagnostics.check.findings import Finding, judge_clock, ok, problem, sql_name, warning
from app.diagnostics.check.routines import Routine
from app.settings import Settings, variable

_OUR_ANON: Final = "anon"  # the role that `postgate migrate` creates

_LOOK: Final = """
select pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) as version,
       login.rolname as login,
       login.rolsuper as is_superuser,
       pg_catalog.current_setting('transaction_read_only')::boolean as is_read_only,
       pg_catalog.concat(
         pg_catalog.current_setting('app.settings.jwt_secret', true),
         pg_catalog.current_setting('app.jwt_secret', true),
         pg_catalog.current_setting('pgrst.jwt_secret', true)
       ) <> '' as stores_secret,
       anon.oid is not null as role_exists,
       coalesce(pg_catalog.has_schema_privilege(anon.oid, auth.oid, 'usage'), false) as may_use_schema,
       exists (
         select from pg_catalog.pg_roles as held
          where anon.oid is not null
            and pg_catalog.pg_has_role(anon.oid, held.oid, 'member')
            and (
              held.rolsuper
              or held.rolbypassrls
              or held.rolcreaterole
              or held.rolreplication
              or pg_catalog.starts_with(held.rolname::pg_catalog.text, 'pg_')
              or held.rolname = 'auth_owner'
              or held.oid in (login.oid, d.datdba, auth.nspowner)
            )
       ) as role_has_powers,
       array(
         select p.oid::pg_catalog.regprocedure::pg_catalog.text
           from pg_catalog.pg_proc as p
          where p.pronamespace = auth.oid
            and p.proname <> all ($3::pg_catalog.name[])
            and pg_catalog.pg_get_userbyid(p.proowner) <> 'auth_owner'
            and pg_catalog.has_function_privilege(anon.oid, p.oid, 'execute')
         union all
         select c.oid::pg_catalog.regclass::pg_catalog.text
           from pg_catalog.pg_class as c
          where c.relnamespace = auth.oid
            and c.relkind in ('r', 'p', 'v', 'm', 'f')
            and (
              pg_catalog.has_table_privilege(anon.oid, c.oid, 'select, insert, update, delete')
              or pg_catalog.has_any_column_privilege(anon.oid, c.oid, 'select, insert, update')
            )
          order by 1
          limit 20
       ) as opened_by_usage
  from pg_catalog.pg_roles as login
  join pg_catalog.pg_database as d on d.datname = pg_catalog.current_database()
  left join pg_catalog.pg_roles as anon on anon.rolname = $1
  left join pg_catalog.pg_namespace as auth on auth.nspname = $2
 where login.rolname = current_user
"""

_NOW: Final = "select extract(epoch from pg_catalog.clock_timestamp())::pg_catalog.float8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The gateway's login and its rights."""

    version: str
    login: str
    is_superuser: bool
    is_read_only: bool
    stores_secret: bool
    role_exists: bool
    may_become_role: bool
    may_use_schema: bool
    role_has_powers: bool  # the anonymous role is, or may become, a privileged role
    opened_by_usage: Sequence[str] = ()  # what else usage of the schema would give it
    functions: Mapping[str, Sequence[Routine]]  # the existing ones, by name
    admits: bool  # tokens of issuers
    room: Room
    clock_ahead_seconds: float


async def look(settings: Settings) -> Login:
    """Raises DatabaseUnreachable."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        row = await connection.fetchrow(
            _LOOK,
            settings.anon_role,
            settings.auth_schema,
            settings.in_auth_schema((*settings.auth_functions, *settings.account_functions)),
        )
        assert row is not None  # noqa: S101 (a session has a login)
        return Login(
            **row,
            may_become_role=await _may_become(connection, settings.anon_role),
            functions=await routines.look(connection, settings),
            admits=await issuers.look(connection, settings),
            room=await connections.look(connection),
            clock_ahead_seconds=await clock_ahead(connection),
        )


async def _may_become(connection: Connection, role: str) -> bool:
    async with rolled_back(connection):
        try:
            await connection.execute("select pg_catalog.set_config('role', $1, true)", role)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError):
            return False
    return True


async def clock_ahead(connection: Connection) -> float:
    before = time.time()
    there = await connection.fetchval(_NOW)
    return float(there) - (before + time.time()) / 2


def judge(login: Login, settings: Settings) -> list[Finding]:
    return [
        ok(f"The gateway's login connects to PostgreSQL {login.version}."),
        *_judge_login(login),
        *_judge_role(login, settings.anon_role),
        *_judge_functions(login, settings),
        *issuers.judge(settings, admits=login.admits),
        *connections.judge(login.room, settings),
        *judge_clock("PostgreSQL", login.clock_ahead_seconds),
    ]


def _judge_login(login: Login) -> list[Finding]:
    findings = []
    if login.is_superuser:
        findings.append(
            warning(
                "The gateway's login is a superuser: it needs only the right to become the anonymous role.",
                f"Use the login `gateway` in {variable('database_url')}, and the owner's in "
                f"{variable('owner_database_url')}.",
            )
        )
    if login.is_read_only:
        findings.append(
            problem(
                "The gateway's connection is read-only: no user can sign in.",
                f"If this server is a standby, use the primary in {variable('database_url')}. If not, reset "
                "default_transaction_read_only for the login, the database or the server.",
            )
        )
    if login.stores_secret:
        findings.append(
            warning(
                "The JWT secret is stored in the database, where every role can read it.",
                "Run `postgate doctor`: it prints the statement that removes the setting (PD101). The "
                "gateway passes the secret with each call.",
            )
        )
    return findings


def _judge_role(login: Login, role: str) -> list[Finding]:
    if not login.role_exists:
        return [
            problem(
                f"The anonymous role {sql_name(role)} does not exist.",
                f"Run `postgate migrate`, which creates the role {_OUR_ANON}, or name another role in "
                f"{variable('anon_role')}.",
            )
        ]
    if login.role_has_powers:
        return [
            problem(
                f"The anonymous role {sql_name(role)} has more rights than an anonymous client may have: it "
                "is a superuser or the gateway's login, owns the database or the auth schema, or may become "
                "such a role.",
                f"Name a role without such rights in {variable('anon_role')}; `postgate migrate` creates "
                f"one, {_OUR_ANON}.",
            )
        ]
    if not login.may_become_role:
        return [
            problem(
                f"The gateway's login may not become the role {sql_name(role)}.",
                f"grant {sql_name(role)} to {sql_name(login.login)};",
            )
        ]
    return [ok(f"The gateway's login may become the role {sql_name(role)}.")]


def _open(login: Login, schema: str, role: str) -> str:
    """Usage of a schema makes every grant in it effective, those to `public` included."""
    if not login.opened_by_usage:
        return f"grant usage on schema {schema} to {role};"
    opened = ", ".join(login.opened_by_usage)
    return (
        f"Revoke from {role} and from public what clients must not call or read: {opened}. Then grant usage "
        f"on the schema {schema} to {role}."
    )


def has_every_function(login: Login, settings: Settings) -> bool:
    return login.functions.keys() >= set(settings.in_auth_schema(settings.auth_functions))


def _judge_functions(login: Login, settings: Settings) -> list[Finding]:
    schema, role = sql_name(settings.auth_schema), sql_name(settings.anon_role)
    findings = []
    missing = [
        name for name in settings.in_auth_schema(settings.auth_functions) if name not in login.functions
    ]
    if missing:
        names = ", ".join(f"{schema}.{sql_name(name)}" for name in missing)
        findings.append(
            problem(
                f"The database lacks the auth functions {names}.",
                "For Postgate's functions, run `postgate migrate`. For your own, create them, or correct "
                f"{variable('auth_schema')} and {variable('auth_functions')}.",
            )
        )
    if not login.role_exists or login.role_has_powers or not login.functions:
        return findings  # the role has to change first, and there is no function to call
    if not login.may_use_schema:
        findings.append(
            problem(f"The role {role} may not use the schema {schema}.", _open(login, schema, role))
        )
    findings += routines.judge(login.functions, settings)
    return findings or [ok(f"The role {role} may call the auth functions in {schema}.")]
