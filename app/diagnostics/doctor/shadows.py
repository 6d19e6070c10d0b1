"""Objects of logins that SQL of other roles could use instead of the intended ones.

Objects in a schema of the same owner are allowed. A finding is an object of another login: in Postgate's
schemas any object, in a schema of another role's search_path one that has the name of an object of
pg_catalog. Objects of extensions are excluded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.reading import Reader, fields
from app.diagnostics.doctor.scope import OUR_OWNER, OUR_SCHEMAS, Scope

FOREIGN_OBJECT: Final = Rule(
    "PD305",
    Severity.DANGER,
    "Another login owns an object in one of Postgate's schemas.",
    "Its owner can replace it at any time, and it is run or read with the rights of the caller: the owner "
    "of the schema, or a superuser who runs a command.",
    "Read what it does, and drop it. Do not give it another owner: it would run with the rights of that "
    "role.",
)
SHADOW: Final = Rule(
    "PD308",
    Severity.DANGER,
    "A login owns an object with the name of a built-in, in a schema of a search_path.",
    "SQL that leaves the schema out uses this object instead of the built-in if its arguments match better. "
    "It runs with the rights of the caller: it can read passwords and the JWT secret, or become a "
    "superuser.",
    "Read what it does, and rename or drop it.",
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
# A cast has no schema, so it applies to every role. Only a superuser can create one between two built-in
# types; for other types, the owner of one of them can, with its own function
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
    """An object of a login, in a schema of another role's search_path."""

    schema: str
    name: str
    kind: str
    identity: str
    owner: str
    schema_owner: str
    shadows: bool  # an object of pg_catalog has the same name

    @property
    def where(self) -> str:
        return f"{self.kind} {self.identity}"

    @property
    def freed(self) -> str:
        """The statement that frees its name. It deletes no data."""
        if self.kind == "operator":
            return f"drop operator {self.identity};"
        return f"alter {self.where} rename to {sql_name(self.name + '_of_' + self.owner)};"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """An implicit cast, used without being written."""

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
        reader.add_not_checked("some of the objects that logins own", f"there are more than {_MOST}")
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
            yield FOREIGN_OBJECT.broken(
                f"schema {sql_name(name)}",
                detail=f"It belongs to {sql_name(schema.owner)}.",
                sql=f"alter schema {sql_name(name)} owner to {OUR_OWNER};",
                fix="Give it to auth_owner, then check what else the login owns in it.",
            )


def _judge_object(object_: Owned, scope: Scope) -> Iterable[Finding]:
    detail = f"It belongs to {sql_name(object_.owner)}."
    if scope.is_ours and object_.schema in OUR_SCHEMAS:
        yield FOREIGN_OBJECT.broken(object_.where, detail=detail)
    elif object_.shadows and not _is_in_own_schema(object_, scope):
        yield SHADOW.broken(object_.where, detail=detail, sql=object_.freed)


def _is_in_own_schema(object_: Owned, scope: Scope) -> bool:
    """Whether it is in a schema of its owner, and that schema is in no other role's path."""
    waits = object_.schema in scope.role_names and object_.schema != object_.owner
    return object_.owner == object_.schema_owner and not waits
