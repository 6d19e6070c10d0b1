"""The anonymous role of a project, in the place of Postgate's `anon`.

Postgate's SQL grants its functions to the role `anon`. A project with another anonymous role makes that role
a member of `anon`, so that it has the same rights after every later migration.
"""

from typing import Final

from app.database import Connection
from app.operator.names import quoted, shown
from app.settings import variable

OUR_ANON: Final = "anon"

# Every client without a token gets the anonymous role, so it must not lead to a privileged one
_LOOK: Final = """
select r.rolinherit as inherits,
       exists (
         select
           from pg_catalog.pg_roles as p
          where (p.rolsuper or p.rolcreaterole or p.rolname ~ '^pg_'
                 or p.rolname in ('auth_owner', 'authenticator', 'gateway'))
            and pg_catalog.pg_has_role(r.oid, p.oid, 'member')
       ) as has_powers,
       pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 160000 as has_inherit_option
  from pg_catalog.pg_roles as r
 where r.rolname = $1
"""
_IS_GRANTED: Final = """
select pg_catalog.pg_has_role($1, 'anon', 'usage')
   and pg_catalog.pg_has_role('gateway', $1, 'member')
   and pg_catalog.pg_has_role('authenticator', $1, 'member')
"""


async def why_not_anonymous(connection: Connection, role: str) -> str:
    """Why a role cannot be the anonymous one, as a sentence; empty if it can."""
    if role == OUR_ANON:
        return ""
    row = await connection.fetchrow(_LOOK, role)
    name, setting = shown(role), variable("anon_role")
    if row is None:
        return (
            f"Nothing was changed: the role {name} in {setting} does not exist. create role {name} nologin;"
        )
    if row["has_powers"]:
        return (
            f"Nothing was changed: the role {name} in {setting} is or may become a privileged role. Name a "
            "role without rights."
        )
    if not row["inherits"] and not row["has_inherit_option"]:
        return (
            f"Nothing was changed: the role {name} in {setting} does not inherit the rights of roles that it "
            f"is granted. alter role {name} inherit;"
        )
    return ""


async def grant_anonymous(connection: Connection, role: str) -> bool:
    """Give a role what `anon` has, and let the two logins become it; whether anything was to do.

    The role has been checked (`why_not_anonymous`).
    """
    if role == OUR_ANON or await connection.fetchval(_IS_GRANTED, role):
        return False
    row = await connection.fetchrow(_LOOK, role)
    assert row is not None  # noqa: S101 (it has been checked)
    option = " with inherit true" if row["has_inherit_option"] else ""
    name = quoted(role)
    await connection.execute(f"grant anon to {name}{option}")
    await connection.execute(f"grant {name} to gateway, authenticator")
    return True
