"""What the gateway's own login finds in the database: its role, the auth functions, the clock.

Looking is one read-only visit; judging is pure.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from app.checks.findings import Finding, judge_clock, ok, problem, sql_name, warning
from app.database import Connection, connected, rolled_back
from app.settings import Settings, variable

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
       coalesce(pg_catalog.has_schema_privilege(anon.oid, auth.oid, 'usage'), false) as may_use_schema
  from pg_catalog.pg_roles as login
  left join pg_catalog.pg_roles as anon on anon.rolname = $1
  left join pg_catalog.pg_namespace as auth on auth.nspname = $2
 where login.rolname = current_user
"""

_NOW: Final = "select extract(epoch from pg_catalog.clock_timestamp())::pg_catalog.float8"
_LOOK_AT_FUNCTIONS: Final = """
select p.proname as name,
       pg_catalog.bool_or(
         coalesce(pg_catalog.has_function_privilege(anon.oid, p.oid, 'execute'), false)
       ) as may_execute
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as auth on auth.oid = p.pronamespace
  left join pg_catalog.pg_roles as anon on anon.rolname = $1
 where auth.nspname = $2 and p.proname = any($3) and p.prokind = 'f'
 group by p.proname
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What the gateway's login is and may do."""

    version: str
    login: str
    is_superuser: bool
    is_read_only: bool
    stores_secret: bool
    role_exists: bool
    may_become_role: bool
    may_use_schema: bool
    functions: Mapping[str, bool]  # those that are there, and whether the anonymous role may call them
    clock_ahead_seconds: float


async def look(settings: Settings) -> Login:
    """Raises DatabaseUnreachable."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        row = await connection.fetchrow(_LOOK, settings.anon_role, settings.auth_schema)
        functions = await connection.fetch(
            _LOOK_AT_FUNCTIONS, settings.anon_role, settings.auth_schema, settings.auth_functions
        )
        assert row is not None  # noqa: S101 (a session has a login)
        return Login(
            **row,
            may_become_role=await _may_become(connection, settings.anon_role),
            functions={function["name"]: function["may_execute"] for function in functions},
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
        *judge_clock("PostgreSQL", login.clock_ahead_seconds),
    ]


def _judge_login(login: Login) -> list[Finding]:
    findings = []
    if login.is_superuser:
        findings.append(
            warning(
                "The gateway's login is a superuser: it needs no right but to become the anonymous role.",
                f"Name the login `gateway` in {variable('database_url')}; "
                f"the owner's belongs into {variable('owner_database_url')}.",
            )
        )
    if login.is_read_only:
        findings.append(
            problem(
                "The gateway's connection is read-only: nobody can log in.",
                f"Name the primary server in {variable('database_url')}, or unset "
                "default_transaction_read_only for the login and the database.",
            )
        )
    if login.stores_secret:
        findings.append(
            warning(
                "The JWT secret is stored in the database, where every role can read it.",
                "Remove it (alter database ... reset app.settings.jwt_secret, or pgrst.jwt_secret or "
                "app.jwt_secret): the gateway hands it over with each call.",
            )
        )
    return findings


def _judge_role(login: Login, role: str) -> list[Finding]:
    if not login.role_exists:
        return [
            problem(
                f"The anonymous role {sql_name(role)} does not exist.",
                f"Run `postgate migrate`, or name your own role in {variable('anon_role')}.",
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


def has_every_function(login: Login, settings: Settings) -> bool:
    return login.functions.keys() >= set(settings.auth_functions)


def _judge_functions(login: Login, settings: Settings) -> list[Finding]:
    schema, role = sql_name(settings.auth_schema), sql_name(settings.anon_role)
    findings = []
    missing = [name for name in settings.auth_functions if name not in login.functions]
    if missing:
        names = ", ".join(f"{schema}.{sql_name(name)}" for name in missing)
        findings.append(
            problem(
                f"Missing in the database: the auth functions {names}.",
                f"Run `postgate migrate`, or name your own in {variable('auth_schema')} and "
                f"{variable('auth_functions')}.",
            )
        )
    if not login.role_exists or not login.functions:
        return findings  # whether a role that is not there may use what is not there: no news
    if not login.may_use_schema:
        findings.append(
            problem(
                f"The role {role} may not use the schema {schema}.",
                f"grant usage on schema {schema} to {role};",
            )
        )
    findings.extend(
        problem(
            f"The role {role} may not execute {schema}.{sql_name(name)}.",
            f"grant execute on function {schema}.{sql_name(name)} to {role};",
        )
        for name, may_execute in login.functions.items()
        if not may_execute
    )
    return findings or [ok(f"The role {role} may call the auth functions in {schema}.")]
