"""What the owner's login finds in the database: migrations to come, how SQL signs tokens, users' roles.

Only the owner may call the function that signs. The token it makes here is for the anonymous role, and
its transaction is rolled back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from app.core.tokens.verify import TokenVerifier, hmac_key
from app.database import Connection, connected, rolled_back
from app.diagnostics.check import grantable, server_log
from app.diagnostics.check.findings import Finding, not_checked, ok, problem, sql_name
from app.diagnostics.check.grantable import UNKNOWN, Known
from app.errors import TokenRejected
from app.operator import trust
from app.operator.migrations import MigrationError, MigrationRefused, load, pending
from app.settings import Settings, variable

_HAND_OVER: Final = """
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
_BOOK: Final = ("postgate",)
_SIGNING: Final = ("auth", "auth_private")

MAX_COOKIE_BYTES: Final = 4_096  # of name and value together

_DENIED: Final = "42501"
_MISSING: Final = frozenset({"42883", "3F000", "42P01", "42704", "22023"})  # function, schema, table, role
_ASK_THE_OWNER: Final = f"Set {variable('owner_database_url')} for this command."
_LOOK_FIRST: Final = (
    "Nothing there is called or read, because it would run with the rights of this command's login. "
    "`postgate doctor` lists what other logins own or may create there (PD304, PD305)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The migrations that this release has and the database has not."""

    outstanding: Sequence[str] = ()
    is_new: bool = False  # not one of them was ever applied
    error: MigrationError | None = None
    foreign_objects: Sequence[str] = ()  # why it was not read


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A token as SQL signs it with the gateway's secret, and the time there; or why there is none."""

    token: str = ""
    now: float = 0
    sqlstate: str = ""
    message: str = ""  # of app/sql, which quotes no value
    remedies: Sequence[str] = ()  # the settings without which the server would have logged the secret
    login: str = ""  # whose settings they are
    database: str = ""
    foreign_objects: Sequence[str] = ()  # what other logins have in the schemas: it would have got the secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    book: Book
    signed: Signed
    roles: Sequence[str]  # of users who may sign in
    known: Known = UNKNOWN


async def look(settings: Settings) -> Schema:
    """Raises DatabaseUnreachable."""
    async with connected(settings.owner_url) as connection:
        signed = await sign(connection, settings)
        roles = () if signed.foreign_objects else await _read_roles(connection)
        async with rolled_back(connection):
            foreign_objects = await trust.foreign_objects(connection.fetch, _BOOK)
            known = await grantable.look(connection)
    if foreign_objects:
        return Schema(book=Book(foreign_objects=foreign_objects), signed=signed, roles=roles, known=known)
    try:
        outstanding = [migration.name for migration in await pending(settings.owner_url)]
    except MigrationError as error:
        book = Book(error=error)
    else:
        book = Book(outstanding=outstanding, is_new=len(outstanding) == len(load()))
    return Schema(book=book, signed=signed, roles=roles, known=known)


async def sign(connection: Connection, settings: Settings) -> Signed:
    """Let SQL sign a token with the gateway's secret, a parameter that no server's log is to hold.

    Only functions that no other login could have defined are called: they would have the secret, and on
    a superuser's connection every right.
    """
    secret, is_base64 = settings.jwt_ring.for_sql
    async with rolled_back(connection):
        if foreign_objects := await trust.foreign_objects(connection.fetch, _SIGNING):
            return Signed(foreign_objects=foreign_objects)
        try:
            await connection.execute("set local role auth_owner")
            if remedies := {remedy for _, remedy in server_log.causes(await server_log.look(connection))}:
                login, database = await connection.fetchrow(_WHO) or ("", "")
                return Signed(remedies=sorted(remedies), login=login, database=database)
            await connection.execute(
                _HAND_OVER,
                secret,
                str(is_base64).lower(),
                settings.jwt_audience or "",
            )
            row = await connection.fetchrow(_SIGN, settings.anon_role)
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError as error:
            return Signed(sqlstate=error.sqlstate or "", message=error.message or "")
    return Signed(**row) if row is not None else Signed()


async def _read_roles(connection: Connection) -> list[str]:
    async with rolled_back(connection):
        try:
            await connection.execute("set local role auth_owner")
            return [row["role"] for row in await connection.fetch(_ROLES)]
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError:  # the same that `sign` has met, and reported
            return []


def judge(schema: Schema, settings: Settings, *, has_functions: bool) -> list[Finding]:
    """`has_functions`: the auth functions are there, whoever made them."""
    book, signed = schema.book, schema.signed
    if book.is_new and has_functions:
        return [
            not_checked("How the auth functions sign: they are not Postgate's own.", "Sign in once to see.")
        ]
    if book.is_new or (book.outstanding and signed.sqlstate in _MISSING):
        return _judge_book(book)
    return [*_judge_book(book), *judge_signed(signed, settings)]


def _judge_book(book: Book) -> list[Finding]:
    if book.foreign_objects:
        return [not_checked(f"Which migrations were applied. {book.foreign_objects[0]}", _LOOK_FIRST)]
    if isinstance(book.error, MigrationRefused) and book.error.sqlstate == _DENIED:
        return [not_checked("Only the owner may see which migrations were applied.", _ASK_THE_OWNER)]
    if book.error is not None:
        return [problem(str(book.error), "See docs/sql.md.")]
    if book.outstanding:
        count, names = len(book.outstanding), ", ".join(book.outstanding)
        what = "No migration was ever applied" if book.is_new else f"{count} not applied: {names}"
        return [problem(f"The database is not up to date. {what}.", "Run `postgate migrate`.")]
    return [ok("Every migration is applied.")]


def judge_signed(signed: Signed, settings: Settings) -> list[Finding]:
    if signed.foreign_objects:
        return [not_checked(f"How the SQL functions sign tokens. {signed.foreign_objects[0]}", _LOOK_FIRST)]
    if signed.remedies:
        return [
            not_checked(
                "How the SQL functions sign tokens: the server would write the secret into its log.",
                _leave_out(signed),
            )
        ]
    if signed.sqlstate == _DENIED:
        return [not_checked("Only the owner may see how the SQL functions sign tokens.", _ASK_THE_OWNER)]
    if signed.sqlstate:
        return [
            problem(
                f"The SQL functions cannot sign a token: {signed.message} ({signed.sqlstate}).",
                "No user can sign in. Run `postgate migrate`. If it has nothing to do, restore the functions "
                "of app/sql as released.",
            )
        ]
    return [_judge_token(signed, settings)]


def _judge_token(signed: Signed, settings: Settings) -> Finding:
    verifier = TokenVerifier(
        [hmac_key(settings.jwt_keys[0])],
        role_claim=settings.role_claim,
        audience=settings.jwt_audience,
    )
    try:
        # At the server's own time: a clock that is off is another finding
        verifier.verify(signed.token.encode(), signed.now)
    except TokenRejected as refused:
        return _judge_refusal(refused.reason)
    size = len(settings.access_cookie) + len(signed.token)
    if size > MAX_COOKIE_BYTES:
        return problem(
            f"Browsers drop the access cookie: name and token have {size} bytes, and {MAX_COOKIE_BYTES} are "
            "allowed (RFC 6265bis section 5.7).",
            "Put fewer claims into the token.",
        )
    return ok("The gateway accepts the tokens that the SQL functions sign with its secret.")


def _leave_out(signed: Signed) -> str:
    whom = f"{sql_name(signed.login)} in database {sql_name(signed.database)}"
    return "\n".join(f"alter role {whom} set {remedy};" for remedy in signed.remedies)


def _judge_refusal(reason: str) -> Finding:
    if reason.startswith("role"):
        return problem(
            "The gateway finds no role in the tokens that the SQL functions sign.",
            f"They write it into the claim `role`: unset {variable('role_claim')}.",
        )
    return problem(
        f"The gateway refuses the tokens that the SQL functions sign with its secret: {reason}.",
        "Every user who signs in would be refused at once. Restore the functions of app/sql as released.",
    )
