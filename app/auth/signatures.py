"""A function in pg_proc: its overloads, and the settings of its calls.

It is read once and cached. Each call compares a fingerprint of the catalogue rows in its transaction, so that
the next call after a change of the function reads it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from app.auth.queries import Connection, fetch

Settings = tuple[tuple[str, str], ...]  # names and values for set_config, in order

ISOLATION: Final = "default_transaction_isolation"
# SET clauses of a function that must apply before it starts; PostgREST hoists the same ones
HOISTED: Final = frozenset({"statement_timeout", "plan_filter.statement_cost_limit"})

# It changes with each `create or replace`, `alter` or `drop` of a function of that name, and with each
# `alter role ... set`: xmin is the transaction that wrote the row
FINGERPRINT: Final = """(
  select coalesce(pg_catalog.string_agg(
    p.oid::pg_catalog.text OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||) p.xmin::pg_catalog.text,
    ',' order by p.oid
  ), '')
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid OPERATOR(pg_catalog.=) p.pronamespace
  where n.nspname OPERATOR(pg_catalog.=) {schema}::pg_catalog.text
    and p.proname OPERATOR(pg_catalog.=) {function}::pg_catalog.text
) OPERATOR(pg_catalog.||) coalesce((
  select ';' OPERATOR(pg_catalog.||) r.rolconfig::pg_catalog.text
  from pg_catalog.pg_roles as r where r.rolname OPERATOR(pg_catalog.=) {role}::pg_catalog.text
), '')"""

_READ: Final = """
select
  p.proargnames as names,
  p.proargmodes::pg_catalog.text[] as modes,
  p.pronargs as inputs,
  p.pronargdefaults as defaults,
  p.provariadic OPERATOR(pg_catalog.<>) 0::pg_catalog.oid as variadic,
  p.proretset as returns_set,
  p.prorettype OPERATOR(pg_catalog.=) 'pg_catalog.void'::pg_catalog.regtype as returns_void,
  p.provolatile OPERATOR(pg_catalog.<>) 'v'::pg_catalog."char" as read_only,
  coalesce(p.proconfig, array[]::pg_catalog.text[]) as settings,
  array(
    select pg_catalog.quote_ident(s.nspname) OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||)
      case when t.typname OPERATOR(pg_catalog.~) '^[a-z_][a-z0-9_]*$' then t.typname::pg_catalog.text
        else pg_catalog.quote_ident(t.typname) end
    from pg_catalog.unnest(p.proargtypes::pg_catalog.oid[]) with ordinality as argument (oid, position)
    join pg_catalog.pg_type as t on t.oid OPERATOR(pg_catalog.=) argument.oid
    join pg_catalog.pg_namespace as s on s.oid OPERATOR(pg_catalog.=) t.typnamespace
    order by argument.position
  ) as types,
  array(
    select pg_catalog.format_type(argument.oid, null)
    from pg_catalog.unnest(p.proargtypes::pg_catalog.oid[]) with ordinality as argument (oid, position)
    order by argument.position
  ) as type_titles,
  (
    with recursive returned as (
      select t.typtype, t.typbasetype
      from pg_catalog.pg_type as t where t.oid OPERATOR(pg_catalog.=) p.prorettype
      union all
      select t.typtype, t.typbasetype
      from returned join pg_catalog.pg_type as t on t.oid OPERATOR(pg_catalog.=) returned.typbasetype
    )
    select pg_catalog.bool_or(returned.typtype OPERATOR(pg_catalog.=) 'c'::pg_catalog."char") from returned
  ) as returns_composite,
  array(
    select configured.line
    from pg_catalog.pg_roles as r
    cross join pg_catalog.unnest(r.rolconfig) with ordinality as configured (line, position)
    join pg_catalog.pg_settings as known
      on known.name OPERATOR(pg_catalog.=) pg_catalog.split_part(configured.line, '=', 1)
    where r.rolname OPERATOR(pg_catalog.=) $3::pg_catalog.text
      and (known.context OPERATOR(pg_catalog.=) 'user'{granted})
    order by configured.position
  ) as role_settings,
  coalesce((
    select pg_catalog.has_language_privilege(r.oid, l.oid, 'usage')
    from pg_catalog.pg_roles as r cross join pg_catalog.pg_language as l
    where r.rolname OPERATOR(pg_catalog.=) $3::pg_catalog.text
      and l.lanname OPERATOR(pg_catalog.=) 'plpgsql'
  ), false) as checkable,
  {fingerprint} as fingerprint
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid OPERATOR(pg_catalog.=) p.pronamespace
where n.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.text
  and p.proname OPERATOR(pg_catalog.=) $2::pg_catalog.text
  and p.prokind OPERATOR(pg_catalog.=) 'f'::pg_catalog."char"
  and p.prorettype OPERATOR(pg_catalog.<>) 'pg_catalog.trigger'::pg_catalog.regtype
order by p.oid
"""
_GRANTED: Final = " or pg_catalog.has_parameter_privilege(known.name, 'set')"
_GRANTABLE_SINCE: Final = 15  # major version of Postgres that knows grants on parameters


class Shape(Enum):
    """The kind of result that a function returns."""

    VOID = auto()
    SCALAR = auto()
    SET_OF_SCALARS = auto()
    ROW = auto()
    SET_OF_ROWS = auto()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input parameter of an overload."""

    name: str  # empty: unnamed
    type: str  # qualified, and quoted unless plain: key words differ between versions
    type_title: str  # as error messages name it
    is_required: bool
    is_variadic: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """One overload."""

    parameters: tuple[Parameter, ...]
    shape: Shape
    is_read_only: bool
    isolation: str | None  # of the function's SET clause
    settings: Settings  # of its SET clauses, those of HOISTED


@dataclass(frozen=True, slots=True)
class Routine:
    """All overloads of one name, and the settings of the role that calls them."""

    signatures: tuple[Signature, ...]
    role_settings: Settings = ()
    role_isolation: str | None = None
    checkable: bool = False  # the role may use PL/pgSQL, the language of the argument check
    fingerprint: str = ""


async def read_routine(connection: Connection, *, schema: str, function: str, role: str) -> Routine:
    """All overloads of a function, and the settings of a role. Raises what asyncpg raises."""
    granted = _GRANTED if connection.get_server_version().major >= _GRANTABLE_SINCE else ""
    fingerprint = FINGERPRINT.format(schema="$1", function="$2", role="$3")
    statement = _READ.format(granted=granted, fingerprint=fingerprint)
    rows = await fetch(connection, statement, schema, function, role)
    if not rows:
        return Routine(())
    role_settings, role_isolation = _split_settings(rows[0]["role_settings"])
    return Routine(
        tuple(_read_signature(row) for row in rows),
        role_settings,
        role_isolation,
        rows[0]["checkable"],
        rows[0]["fingerprint"],
    )


def _read_signature(row: Any) -> Signature:
    settings, isolation = _split_settings(row["settings"])
    return Signature(
        parameters=_read_parameters(row),
        shape=_read_shape(row),
        is_read_only=row["read_only"],
        isolation=isolation,
        settings=tuple((name, value) for name, value in settings if name in HOISTED),
    )


def _read_parameters(row: Any) -> tuple[Parameter, ...]:
    inputs: int = row["inputs"]
    names = row["names"] or [""] * inputs
    modes = row["modes"] or ["i"] * inputs
    input_names = [name for name, mode in zip(names, modes, strict=False) if mode in "ibv"]
    first_default = inputs - row["defaults"]
    return tuple(
        Parameter(
            name,
            type_,
            title,
            is_required=index < first_default,
            is_variadic=row["variadic"] and index == inputs - 1,
        )
        for index, (name, type_, title) in enumerate(
            zip(input_names, row["types"], row["type_titles"], strict=True)
        )
    )


def _read_shape(row: Any) -> Shape:
    # Postgres returns a single OUT parameter as a scalar, PostgREST as an object
    is_row = row["returns_composite"] or not set("tbo").isdisjoint(row["modes"] or ())
    if row["returns_set"]:
        return Shape.SET_OF_ROWS if is_row else Shape.SET_OF_SCALARS
    if row["returns_void"]:
        return Shape.VOID
    return Shape.ROW if is_row else Shape.SCALAR


def _split_settings(lines: Sequence[str]) -> tuple[Settings, str | None]:
    """`name=value` lines as pairs, without the isolation level, and the level, which BEGIN needs."""
    pairs = dict(line.split("=", 1) for line in lines)
    isolation = pairs.pop(ISOLATION, None)
    return tuple(pairs.items()), isolation
