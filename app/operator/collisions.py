"""Objects of a project that have the names of Postgate's SQL, found before anything is changed.

`create or replace` by a superuser would silently replace a function of the project, and other statements
would fail only half way through the files.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from app.database import Connection
from app.operator.names import shown

OWN_SCHEMA: Final = "auth"
OWNER: Final = "auth_owner"
PRIVATE_SCHEMAS: Final = ("auth_private", "postgate")
_MOST: Final = 20  # objects in a message

_TABLES: Final = re.compile(
    r'^\s*create\s+(?:table|view|materialized\s+view|sequence)\s+(?:if\s+not\s+exists\s+)?auth\."?(\w+)',
    re.IGNORECASE | re.MULTILINE,
).findall
_FUNCTIONS: Final = re.compile(
    r'^\s*create\s+(?:or\s+replace\s+)?(?:function|procedure)\s+auth\."?(\w+)', re.IGNORECASE | re.MULTILINE
).findall

# Postgate's objects of an earlier release belong to auth_owner
_LOOK: Final = """
select case when c.relkind in ('v', 'm') then 'view' when c.relkind = 'S' then 'sequence' else 'table' end
         as kind,
       c.relname::pg_catalog.text as name,
       '' as types
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 where n.nspname = 'auth'
   and c.relname::pg_catalog.text = any ($1::pg_catalog.text[])
   and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
   and pg_catalog.pg_get_userbyid(c.relowner) <> 'auth_owner'
union all
select case p.prokind when 'p' then 'procedure' else 'function' end,
       p.proname::pg_catalog.text,
       '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')'
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
 where n.nspname = 'auth'
   and p.proname::pg_catalog.text = any ($2::pg_catalog.text[])
   and pg_catalog.pg_get_userbyid(p.proowner) <> 'auth_owner'
 order by 1 desc, 2, 3
"""
_SCHEMAS: Final = """
select n.nspname::pg_catalog.text
  from pg_catalog.pg_namespace as n
 where n.nspname::pg_catalog.text = any ($1::pg_catalog.text[])
 order by 1
"""


async def find_collisions(connection: Connection, sources: Iterable[str], *, is_fresh: bool) -> list[str]:
    """The objects with a name that these pending files create, as SQL writes them, with their kind.

    An overload counts too: PostgREST could not tell which of two functions is meant. Functions and schemas
    matter only before Postgate's first migration (`is_fresh`): later, an overload is the project's choice.
    """
    text = "\n".join(sources)
    functions = sorted(set(_FUNCTIONS(text))) if is_fresh else []
    rows = await connection.fetch(_LOOK, sorted(set(_TABLES(text))), functions)
    found = [f"{row['kind']} {OWN_SCHEMA}.{shown(row['name'])}{row['types']}" for row in rows]
    if is_fresh:
        schemas = await connection.fetch(_SCHEMAS, PRIVATE_SCHEMAS)
        found += [f"schema {shown(row['nspname'])}" for row in schemas]
    return found


def sentence(found: Sequence[str]) -> str:
    """The message of the error, with the next steps."""
    names = ", ".join(found[:_MOST]) + (f" and {len(found) - _MOST} more" if len(found) > _MOST else "")
    text = f"Nothing was changed: the database has objects with names of Postgate's SQL: {names}."
    if all(name.startswith("schema ") for name in found):
        return f"{text} Rename these schemas first."
    return (
        f"{text} Postgate does not need its SQL for login functions of yours: `postgate suggest` prints the "
        "settings for them. To replace them by Postgate's, run `postgate migrate --take-over --dry-run`: it "
        "says what it would do, which is to rename the schema auth to auth_old and to move the users."
    )
