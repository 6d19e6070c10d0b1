"""The database as the owner's login sees it: pending migrations, signing in SQL, users' roles.

Only the owner may call the function that signs. It signs a token for the anonymous role, in a transaction
that is rolled back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from app.core.tokens.jwk import Key
from app.core.tokens.mint import mint
from app.core.tokens.sql_tokens import sql_keys
from app.core.tokens.verify import TokenVerifier
from app.database import Connection, connected, rolled_back
from app.diagnostics.check import grantable, server_log
from app.diagnostics.check.findings import Finding, not_checked, ok, problem, sql_name
from app.diagnostics.check.grantable import UNKNOWN, Known
from app.errors import TokenRejected
from app.operator import trust
from app.operator.migration_errors import MigrationCollides
from app.operator.migrations import MigrationError, MigrationRefused, load, pending
from app.settings import Settings, variable
from app.wiring.functions import new_sql_secret

_SET_PARAMETERS: Final = """
select pg_catalog.set_config('app.settings.jwt_secret', $1, true),
       pg_catalog.set_config('app.settings.jwt_secret_is_base64', $2, true),
       pg_catalog.set_config('app.settings.jwt_audience', $3, true)
"""
_WHO: Final = """
select session_user::pg_catalog.text as login, pg_catalog.current_database()::pg_catalog.text as database
"""
_SIGN: Final = """
select auth_private.mint_access_token(
         pg_catalog.jsonb_build_object('sub', 'postgate check', 'role', $1::pg_catalog.text)
       ) as token,
       extract(epoch from pg_catalog.clock_timestamp())::pg_catalog.float8 as now
"""
_ROLES: Final = """
select distinct u.role::pg_catalog.text as role
  from auth.user as u
 where u.disabled_at is null
 order by 1
 limit 50
"""
_MIGRATION_SCHEMA: Final = ("postgate",)
_SIGNING: Final = ("auth", "auth_private")

MAX_COOKIE_BYTES: Final = 4_096  # of name and value

_DENIED: Final = "42501"
_MISSING: Final = frozenset({"42883", "3F000", "42P01", "42704", "22023"})  # function, schema, table, role
_ASK_THE_OWNER: Final = f"Set {variable('owner_database_url')} for this command."
_LOOK_FIRST: Final = (
    "These schemas were not used, because their objects would run with the rights of this command's login. "
    "`postgate doctor` lists what other logins own or may create there (PD304, PD305)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationState:
    """The migrations that this release has and the database has not."""

    outstanding: Sequence[str] = ()
    is_new: bool = False  # none was ever applied
    error: MigrationError | None = None
    foreign_objects: Sequence[str] = ()  # the reason why it was not read


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A token that SQL signed with the gateway's secret, and the server's time; or why there is none."""

    token: str = ""
    now: float = 0
    sqlstate: str = ""
    message: str = ""  # from app/sql, without values
    remedies: Sequence[str] = ()  # the settings that keep the secret out of the server's log
    login: str = ""  # the login that needs these settings
    database: str = ""
    foreign_objects: Sequence[str] = ()  # objects of other logins in the schemas, which could read the secret
    key: Key | None = field(default=None, repr=False)  # that it was signed with; None: the gateway's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    migrations: MigrationState
    signed: Signed
    roles: Sequence[str]  # of enabled users
    known: Known = UNKNOWN


async def look(settings: Settings) -> Schema:
    """Raises DatabaseUnreachable."""
    async with connected(settings.owner_url) as connection:
        signed = await sign(connection, settings)
        roles = () if signed.foreign_objects else await _read_roles(connection)
        async with rolled_back(connection):
            foreign_objects = await trust.foreign_objects(connection.fetch, _MIGRATION_SCHEMA)
            known = await grantable.look(connection)
    if foreign_objects:
        return Schema(
            migrations=MigrationState(foreign_objects=foreign_objects),
            signed=signed,
            roles=roles,
            known=known,
        )
    try:
        outstanding = [migration.name for migration in await pending(settings.owner_url)]
    except MigrationError as error:
        # Where nothing was applied, the names are those of the project's own auth functions
        is_new = isinstance(error, MigrationCollides) and error.is_fresh
        migrations = MigrationState(error=error, is_new=is_new)
    else:
        migrations = MigrationState(outstanding=outstanding, is_new=len(outstanding) == len(load()))
    return Schema(migrations=migrations, signed=signed, roles=roles, known=known)


async def sign(connection: Connection, settings: Settings) -> Signed:
    """Let SQL sign a token with the gateway's secret. Does nothing if the server would log the secret.

    Calls only functions that no other login could have defined: such a function would get the secret, and on
    a superuser's connection every right.
    """
    ring = settings.jwt_ring
    secret, is_base64 = ring.for_sql if ring.signing.is_symmetric else (new_sql_secret(), True)
    key = ring.signing if ring.signing.is_symmetric else sql_keys(secret)[0]
    async with rolled_back(connection):
        if foreign_objects := await trust.foreign_objects(connection.fetch, _SIGNING):
            return Signed(foreign_objects=foreign_objects)
        try:
            await connection.execute("set local role auth_owner")
            if remedies := {remedy for _, remedy in server_log.causes(await server_log.look(connection))}:
                login, database = await connection.fetchrow(_WHO) or ("", "")
                return Signed(remedies=sorted(remedies), login=login, database=database)
            await connection.execute(
                _SET_PARAMETERS,
                secret,
                str(is_base64).lower(),
                settings.jwt_audience or "",
            )
            row = await connection.fetchrow(_SIGN, settings.anon_role)
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError as error:
            return Signed(sqlstate=error.sqlstate or "", message=error.message or "")
    return Signed(**row, key=key) if row is not None else Signed()


async def _read_roles(connection: Connection) -> list[str]:
    async with rolled_back(connection):
        try:
            await connection.execute("set local role auth_owner")
            return [row["role"] for row in await connection.fetch(_ROLES)]
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError:  # `sign` has reported it
            return []


def judge(schema: Schema, settings: Settings, *, has_functions: bool) -> list[Finding]:
    """`has_functions`: all auth functions of the settings exist, Postgate's or other ones."""
    migrations, signed = schema.migrations, schema.signed
    if migrations.is_new and has_functions:
        return [
            not_checked(
                "How the auth functions sign tokens: they are not Postgate's own.",
                "Sign in once to check it.",
            )
        ]
    if migrations.is_new or (migrations.outstanding and signed.sqlstate in _MISSING):
        return _judge_migrations(migrations)
    return [*_judge_migrations(migrations), *judge_signed(signed, settings)]


def _judge_migrations(migrations: MigrationState) -> list[Finding]:
    if migrations.foreign_objects:
        return [not_checked(f"Which migrations were applied. {migrations.foreign_objects[0]}", _LOOK_FIRST)]
    if isinstance(migrations.error, MigrationRefused) and migrations.error.sqlstate == _DENIED:
        return [not_checked("Only the owner may see which migrations were applied.", _ASK_THE_OWNER)]
    if migrations.error is not None:
        return [problem(str(migrations.error), "See docs/sql.md.")]
    if migrations.outstanding:
        count, names = len(migrations.outstanding), ", ".join(migrations.outstanding)
        what = "No migration was ever applied" if migrations.is_new else f"{count} not applied: {names}"
        return [problem(f"The database is not up to date. {what}.", "Run `postgate migrate`.")]
    return [ok("Every migration is applied.")]


def judge_signed(signed: Signed, settings: Settings) -> list[Finding]:
    if signed.foreign_objects:
        return [not_checked(f"How the SQL functions sign tokens. {signed.foreign_objects[0]}", _LOOK_FIRST)]
    if signed.remedies:
        return [
            not_checked(
                "How the SQL functions sign tokens: the server would write the secret into its log.",
                _exclude_parameters(signed),
            )
        ]
    if signed.sqlstate == _DENIED:
        return [not_checked("Only the owner may see how the SQL functions sign tokens.", _ASK_THE_OWNER)]
    if signed.sqlstate:
        return [
            problem(
                f"The SQL functions cannot sign a token: {signed.message} ({signed.sqlstate}).",
                "No user can sign in. Run `postgate migrate`. If it changes nothing, restore the functions "
                "of app/sql as released.",
            )
        ]
    return [_judge_token(signed, settings)]


def _judge_token(signed: Signed, settings: Settings) -> Finding:
    verifier = TokenVerifier(
        [signed.key or settings.jwt_ring.signing],
        role_claim=settings.role_claim,
        anon_role="",
        audience=settings.jwt_audience,
    )
    try:
        # At the server's time: a wrong clock is another finding
        verified = verifier.verify(signed.token.encode(), signed.now)
    except TokenRejected as refused:
        return _judge_rejection(refused.reason)
    if not verified.role:
        return _judge_rejection("role missing")
    size = len(settings.access_cookie) + len(mint(verified.claims, settings.jwt_ring.signing))
    if size > MAX_COOKIE_BYTES:
        return problem(
            f"Browsers drop the access cookie: name and token have {size} bytes, and {MAX_COOKIE_BYTES} are "
            "allowed (RFC 6265bis section 5.7).",
            "Put fewer claims into the token.",
        )
    return ok("The gateway accepts the tokens that the SQL functions sign.")


def _exclude_parameters(signed: Signed) -> str:
    whom = f"{sql_name(signed.login)} in database {sql_name(signed.database)}"
    return "\n".join(f"alter role {whom} set {remedy};" for remedy in signed.remedies)


def _judge_rejection(reason: str) -> Finding:
    if reason.startswith("role"):
        return problem(
            "The tokens that the SQL functions sign have no role for the gateway.",
            f"The functions write the role into the claim `role`: unset {variable('role_claim')}.",
        )
    return problem(
        f"The gateway rejects the tokens that the SQL functions sign: {reason}.",
        "Every user who signs in would be rejected at once. Restore the functions of app/sql as released.",
    )
