"""Moves the users of a known recipe's table, with their password hashes, into Postgate's auth.user.

A table of users is recognised by schema, name and columns. Where its schema is `auth` itself, the schema is
renamed to `auth_old` first, tables and functions included. All of this and the migrations are one
transaction. No message contains a name of a user or a hash.
"""

from dataclasses import dataclass, replace
from typing import Final

import asyncpg

from app.database import Connection
from app.operator.collisions import OWN_SCHEMA, OWNER, PRIVATE_SCHEMAS
from app.operator.migrations import (
    Migration,
    MigrationRefused,
    MigrationUnsafe,
    apply,
    check_surroundings,
    compare,
    load,
    locked,
)
from app.operator.names import quoted, shown
from app.operator.owner import OwnerRefused, foreign_code

OLD_SCHEMA: Final = "auth_old"


@dataclass(frozen=True, slots=True)
class Source:
    """A table of users, and which of its columns are what."""

    schema: str
    table: str
    username: str
    password: str
    has_email: bool  # the name is the address
    has_active: bool = False

    @property
    def sql(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.table)}"

    @property
    def shown(self) -> str:
        return f"{shown(self.schema)}.{shown(self.table)}"


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The result: from which table, under its later name, and how many users."""

    table: str
    users: int
    is_renamed: bool
    applied: tuple[Migration, ...]


# The recipes' tables: users in `auth.user` by name, in `auth.users` and `basic_auth.users` by address
_KNOWN: Final = (
    ("user", "username", "password", False),
    ("users", "email", "password_hash", True),
    ("users", "email", "pass", True),
)
_SCHEMAS: Final = (OWN_SCHEMA, "basic_auth", OLD_SCHEMA)

# Plain tables with columns of built-in types alone: a view, or a type with a cast in SQL, would run code of
# the project with the rights of this login
_LOOK: Final = """
select n.nspname::pg_catalog.text as schema,
       c.relname::pg_catalog.text as table,
       array_agg(a.attname::pg_catalog.text) as columns
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  join pg_catalog.pg_type as t on t.oid = a.atttypid
  join pg_catalog.pg_namespace as tn on tn.oid = t.typnamespace
 where n.nspname::pg_catalog.text = any ($1::pg_catalog.text[])
   and c.relname in ('user', 'users')
   and c.relkind in ('r', 'p')
   and pg_catalog.pg_get_userbyid(c.relowner) <> $2
   and tn.nspname = 'pg_catalog'
   and (t.typcategory = 'S' or t.typname = 'bool')
 group by 1, 2
 order by 1, 2
"""

_UNFIT: Final = r"""
select pg_catalog.count(*) filter (
         where coalesce({password}, '') !~ '^\$2a\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{{53}}$'
       ) as hashes,
       array(
         select distinct s.role::pg_catalog.text
           from {table} as s
          where s.role is null
             or not exists (select from pg_catalog.pg_roles as r where r.rolname = s.role::pg_catalog.name)
          order by 1
          limit 10
       ) as roles
  from {table}
"""


async def take_over(dsn: str, *, anon_role: str, dry_run: bool) -> TakenOver:
    """Migrate and move the users, or with `dry_run` do the same and roll it back.

    Raises MigrationError, OwnerRefused, DatabaseUnreachable.
    """
    async with locked(dsn) as connection:
        outstanding = await compare(connection, load())
        found = await find_source(connection)
        is_renamed = found.schema == OWN_SCHEMA
        await check_surroundings(connection, outstanding, anon_role, may_collide=is_renamed)
        if not outstanding and (why := await foreign_code(connection, OWN_SCHEMA, *PRIVATE_SCHEMAS)):
            raise MigrationUnsafe(why)
        transaction = connection.transaction()
        await transaction.start()
        try:
            source = await make_room(connection, found)
            await apply(connection, outstanding, anon_role)
            users = await move_users(connection, source)
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError as error:
            raise MigrationRefused("Taking the users over", error) from error  # closing rolls back
        await (transaction.rollback() if dry_run else transaction.commit())
    return TakenOver(source.shown, users, is_renamed, tuple(outstanding))


async def find_source(connection: Connection) -> Source:
    """The one table of users of a known recipe. Raises OwnerRefused if there is none, or several."""
    rows = await connection.fetch(_LOOK, _SCHEMAS, OWNER)
    found = [
        Source(row["schema"], table, username, password, has_email, "active" in row["columns"])
        for row in rows
        for table, username, password, has_email in _KNOWN
        if row["table"] == table and {username, password, "role"} <= set(row["columns"])
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise OwnerRefused(
            f"Nothing was changed: several tables have users: {', '.join(one.shown for one in found)}."
        )
    raise OwnerRefused(
        "Nothing was changed: no table of users of a known recipe was found. These are auth.user (username, "
        "password, role), auth.users (email, password_hash, role) and basic_auth.users (email, pass, role), "
        "with columns of built-in types. For another table, use auth.add_user(): docs/sql.md."
    )


async def make_room(connection: Connection, source: Source) -> Source:
    """Rename the schema `auth` if the table is there. Returns the source under its later name."""
    if source.schema != OWN_SCHEMA:
        return source
    if await connection.fetchval("select pg_catalog.to_regnamespace($1) is not null", OLD_SCHEMA):
        raise OwnerRefused(f"Nothing was changed: a schema {OLD_SCHEMA} exists already. Rename it first.")
    await connection.execute(f"alter schema {OWN_SCHEMA} rename to {OLD_SCHEMA}")
    return replace(source, schema=OLD_SCHEMA)


async def move_users(connection: Connection, source: Source) -> int:
    """Copy all users; the number of them. Raises OwnerRefused if one of them does not fit."""
    # An error instead of a part of the rows, if a policy of the table applies to this login
    await connection.execute("set local row_security = off")
    password = quoted(source.password)
    row = await connection.fetchrow(_UNFIT.format(password=password, table=source.sql))
    assert row is not None  # noqa: S101 (an aggregate has one row)
    if row["hashes"]:
        raise OwnerRefused(
            f"Nothing was changed: {row['hashes']} users of {source.shown} have no bcrypt hash with "
            "the prefix $2a$. Give them a new password there, or delete them."
        )
    if row["roles"]:
        names = ", ".join(shown(name) if name is not None else "null" for name in row["roles"])
        raise OwnerRefused(
            f"Nothing was changed: users of {source.shown} have roles that do not exist: {names}. "
            "Create these roles, or correct the users."
        )
    name = quoted(source.username)
    add = f"auth.add_user(s.{name}::pg_catalog.text, s.{password}::pg_catalog.text, s.role::pg_catalog.text)"
    done = await connection.execute(f"select {add} from {source.sql} as s")  # noqa: S608 (quoted)
    same = f"auth_private.username_form(s.{name}::pg_catalog.text) = u.username"
    if source.has_email:
        change = f"email = s.{name}::pg_catalog.text"
        await connection.execute(f"update auth.user as u set {change} from {source.sql} as s where {same}")  # noqa: S608 (quoted)
    if source.has_active:
        change, same = "disabled_at = pg_catalog.now()", f"{same} and s.active is not true"
        await connection.execute(f"update auth.user as u set {change} from {source.sql} as s where {same}")  # noqa: S608 (quoted)
    return int(done.rpartition(" ")[2])  # the command tag: SELECT and the number of rows
