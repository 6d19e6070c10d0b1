"""Objects that could be called, or meant, in the place of others: what logins own where other roles look.

An owner's own schema may hold what its owner likes. A finding is what another login owns: in Postgate's own
schemas anything, in a schema of somebody's search_path what has the name of an object of pg_catalog.
Extensions' own objects are left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.reading import Reader, fields
from app.diagnostics.doctor.scope import OUR_OWNER, OUR_SCHEMAS, Scope

GUEST: Final = Rule(
    "PD305",
    Severity.DANGER,
    "Another login owns something in a schema of Postgate's.",
    "Its owner can replace it at any time, and it runs or is read with the rights of whoever calls: the "
    "owner of the schema, or a superuser who runs a command.",
    "Read what it does, and drop it. Do not give it to another owner: it would run with the rights of that "
    "one.",
)
SHADOW: Final = Rule(
    "PD308",
    Severity.DANGER,
    "A login owns an object that has the name of one of the server's own, in a schema of a search_path.",
    "SQL that leaves the schema out takes it for the server's where its arguments fit better, and it runs "
    "with the rights of the caller: it reads passwords and the JWT secret, or becomes a superuser.",
    "Read what it does, and take its name away.",
)

_MOST: Final = 500

_LOOK: Final = """
with object (class, oid, schema, name, owner, kind, identity, shadows) as (
  select 'pg_catalog.pg_proc'::pg_catalog.regclass,
         p.oid,
         p.pronamespace,
         p.proname,
         p.proowner,
         case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end,
         pg_catalog.format(
           '%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)
         ),
         exists (
           select from pg_catalog.pg_proc as q
            where q.proname = p.proname and q.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
         )
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  union all
  select 'pg_catalog.pg_operator'::pg_catalog.regclass,
         o.oid,
         o.oprnamespace,
         o.oprname,
         o.oprowner,
         'operator',
         o.oid::pg_catalog.regoperator::pg_catalog.text,
         exists (
           select from pg_catalog.pg_operator as q
            where q.oprname = o.oprname and q.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace
         )
    from pg_catalog.pg_operator as o
  union all
  select 'pg_catalog.pg_type'::pg_catalog.regclass,
         t.oid,
         t.typnamespace,
         t.typname,
         t.typowner,
         case t.typtype when 'd' then 'domain' else 'type' end,
         pg_catalog.format('%I.%I', n.nspname, t.typname),
         exists (
           select from pg_catalog.pg_type as q
            where q.typname = t.typname and q.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
         )
    from pg_catalog.pg_type as t
    join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
   where t.typrelid = 0 and t.typtype <> 'm' and t.typcategory <> 'A'
  union all
  select 'pg_catalog.pg_class'::pg_catalog.regclass,
         c.oid,
         c.relnamespace,
         c.relname,
         c.relowner,
         case c.relkind
           when 'v' then 'view'
           when 'm' then 'materialized view'
           when 'f' then 'foreign table'
           when 'S' then 'sequence'
           when 'c' then 'type'
           else 'table'
         end,
         pg_catalog.format('%I.%I', n.nspname, c.relname),
         exists (
           select from pg_catalog.pg_class as q
            where q.relname = c.relname and q.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
         )
         or exists (
           select from pg_catalog.pg_type as q
            where q.typname = c.relname and q.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
         )
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')
)
select n.nspname::pg_catalog.text as schema,
       x.name::pg_catalog.text as name,
       x.kind,
       x.identity,
       pg_catalog.pg_get_userbyid(x.owner)::pg_catalog.text as owner,
       pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text as schema_owner,
       x.shadows
  from object as x
  join pg_catalog.pg_namespace as n on n.oid = x.schema
 where n.nspname::pg_catalog.text = any ($1::pg_catalog.text[])
   and pg_catalog.pg_get_userbyid(x.owner)::pg_catalog.text = any ($2::pg_catalog.text[])
   and not exists (
     select from pg_catalog.pg_depend as d
      where d.classid = x.class and d.objid = x.oid and d.deptype = 'e'
   )
 order by 1, 3, 4
 limit $3
"""
# A cast has no schema, and so counts for every role: between two of the server's own types alone a superuser
# makes one, any other owner of one of its types can, with a function of its own
_CASTS: Final = """
select k.castsource::pg_catalog.regtype::pg_catalog.text as source,
       k.casttarget::pg_catalog.regtype::pg_catalog.text as target,
       pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text as owner
  from pg_catalog.pg_cast as k
  join pg_catalog.pg_proc as p on p.oid = k.castfunc
 where k.castcontext in ('i', 'a')
   and pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text = any ($1::pg_catalog.text[])
   and exists (
     select from pg_catalog.pg_type as t
      where t.oid in (k.castsource, k.casttarget)
        and t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
   )
   and not exists (
     select from pg_catalog.pg_depend as d
      where d.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass and d.objid = k.oid and d.deptype = 'e'
   )
 order by 1, 2
 limit $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """What a login owns in a schema of somebody else's path."""

    schema: str
    name: str
    kind: str
    identity: str
    owner: str
    schema_owner: str
    shadows: bool  # it has the name of an object of pg_catalog

    @property
    def where(self) -> str:
        return f"{self.kind} {self.identity}"

    @property
    def away(self) -> str:
        """The statement after which its name is in the way of nothing; it loses no data."""
        if self.kind == "operator":
            return f"drop operator {self.identity};"
        return f"alter {self.where} rename to {sql_name(self.name + '_of_' + self.owner)};"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """One that is used without being written."""

    source: str
    target: str
    owner: str


async def look(reader: Reader, schemas: Sequence[str], scope: Scope) -> list[Owned]:
    rows = await reader.rows(
        "the owners of objects",
        _LOOK,
        sorted({*schemas, *(OUR_SCHEMAS if scope.is_ours else ())}),
        sorted(scope.untrusted),
        _MOST + 1,
    )
    if len(rows) > _MOST:
        reader.note("some of the objects that logins own", f"there are more than {_MOST}")
    return [Owned(**fields(row)) for row in rows[:_MOST]]


async def look_at_casts(reader: Reader, scope: Scope) -> list[Cast]:
    rows = await reader.rows("the casts", _CASTS, sorted(scope.untrusted), _MOST)
    return [Cast(**fields(row)) for row in rows]


def judge(owned: Sequence[Owned], casts: Sequence[Cast], scope: Scope) -> list[Finding]:
    return [
        *_judge_schemas(scope),
        *(finding for object_ in owned for finding in _judge_object(object_, scope)),
        *(
            SHADOW.broken(
                f"cast from {cast.source} to {cast.target}",
                detail=f"Its function belongs to {sql_name(cast.owner)}.",
                sql=f"drop cast ({cast.source} as {cast.target});",
                fix="Read what it does, and drop it.",
            )
            for cast in casts
        ),
    ]


def _judge_schemas(scope: Scope) -> Iterable[Finding]:
    for name in OUR_SCHEMAS if scope.is_ours else ():
        schema = scope.schemas.get(name)
        if schema is not None and schema.owner in scope.untrusted:
            yield GUEST.broken(
                f"schema {sql_name(name)}",
                detail=f"It belongs to {sql_name(schema.owner)}.",
                sql=f"alter schema {sql_name(name)} owner to {OUR_OWNER};",
                fix="Give it to auth_owner, and then look at what else the login owns in it.",
            )


def _judge_object(object_: Owned, scope: Scope) -> Iterable[Finding]:
    detail = f"It belongs to {sql_name(object_.owner)}."
    if scope.is_ours and object_.schema in OUR_SCHEMAS:
        yield GUEST.broken(object_.where, detail=detail)
    elif object_.shadows and not _is_at_home(object_, scope):
        yield SHADOW.broken(object_.where, detail=detail, sql=object_.away)


def _is_at_home(object_: Owned, scope: Scope) -> bool:
    """In a schema of its owner's: an application's own, unless the schema waits in another role's path."""
    waits = object_.schema in scope.role_names and object_.schema != object_.owner
    return object_.owner == object_.schema_owner and not waits
