"""Stored passwords and tokens of the auth schema, by the names and types of columns and by format.

The server examines the rows and returns counts of formats; no value leaves it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor import sources
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.functions import Function
from app.diagnostics.doctor.reading import Reader, fields
from app.diagnostics.doctor.scope import Scope

CLEAR_TOKENS: Final = Rule(
    "PD701",
    Severity.DANGER,
    "A table of the auth schema seems to hold tokens in clear text.",
    "A backup, a replica or one vulnerability that reads the table exposes every open session.",
    "Store sha256(token) and compare digests, or use Postgate's own functions: docs/sql.md.",
)
CLEAR_PASSWORDS: Final = Rule(
    "PD702",
    Severity.DANGER,
    "A password column contains values that are not hashes.",
    "An attacker who reads the table can sign in as its users, here and wherever they use the same password.",
    "Hash them with pgcrypto's crypt(password, gen_salt('bf', 12)), and let every user choose a new "
    "password.",
)
WEAK_HASHES: Final = Rule(
    "PD703",
    Severity.WARNING,
    "Stored password hashes are cheap to guess.",
    "An attacker who has the hashes can test thousands of passwords a second against bcrypt below cost 10, "
    "and billions against plain digests.",
    "Hash again at the next sign-in, when the password is available; Postgate's functions do so.",
)
WEAK_SALT: Final = Rule(
    "PD704",
    Severity.WARNING,
    "A function hashes passwords in a way that is cheap to guess.",
    "Without a cost, gen_salt('bf') uses cost 6, a sixty-fourth of the work of cost 12. The other kinds are "
    "weaker still.",
    "Write gen_salt('bf', 12).",
)

LOWEST_COST: Final = 10
_SAMPLE: Final = 1_000
_HASHES: Final = frozenset({"sha256", "sha512", "sha384", "sha224", "digest"})
_LIKE_PASSWORD: Final = r"(^|_)(password|passwd|passphrase|pwd|pass)(_?(hash|digest|bcrypt|crypt))?$"  # noqa: S105 (names of columns)
_LIKE_TOKEN: Final = r"(^|_)token(_value)?$"  # noqa: S105
_GEN_SALT: Final = re.compile(
    r"gen_salt\s*\(\s*'(?P<kind>\w+)'(?:::\w+)?\s*(?:(?P<bare>\))|,\s*(?P<cost>\d+)\s*\))?", re.IGNORECASE
).finditer

_LOOK: Final = """
select n.nspname::pg_catalog.text as schema,
       c.relname::pg_catalog.text as "table",
       a.attname::pg_catalog.text as name,
       t.typname::pg_catalog.text as type,
       pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text as owner,
       a.attname ~* $3 as is_password
  from pg_catalog.pg_attribute as a
  join pg_catalog.pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'p')
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_type as t on t.oid = a.atttypid
 where a.attnum > 0
   and not a.attisdropped
   and t.oid in (
     'pg_catalog.text'::pg_catalog.regtype, 'pg_catalog.varchar'::pg_catalog.regtype,
     'pg_catalog.bpchar'::pg_catalog.regtype, 'pg_catalog.uuid'::pg_catalog.regtype
   )
   and (
     n.nspname::pg_catalog.text = any($1::pg_catalog.text[]) and a.attname ~* $4
     or n.nspname::pg_catalog.text = any($2::pg_catalog.text[]) and a.attname ~* $3 and t.typname <> 'uuid'
   )
 order by 1, 2, 3
 limit 200
"""
_SHAPES: Final = r"""
select shape, pg_catalog.count(*)::integer as rows
  from (
    select case
             when value ~ '^\$2[abxy]?\$[0-9]{2}\$[./A-Za-z0-9]{53}([$]postgate1)?$'
             then case when pg_catalog.split_part(value, '$', 3)::integer < $1 then 'weak' else 'hash' end
             when value ~* '^\$?(argon2|scrypt|pbkdf2|SCRAM-SHA-256)' or value ~ '^\$(5|6|7|y|gy)\$'
             then 'hash'
             when value ~* '^(\$1\$|md5|\{S?(SHA|MD5))' or value ~ '^([0-9a-f]{2}){16,64}$'
             then 'weak'
             else 'clear'
           end as shape
      from (select %s::pg_catalog.text as value from %s limit $2) as sample
     where value <> ''
  ) as shapes
 group by shape
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column with the name of a password or a token."""

    schema: str
    table: str
    name: str
    type: str
    owner: str
    is_password: bool

    @property
    def where(self) -> str:
        return f"column {sql_name(self.schema)}.{sql_name(self.table)}.{sql_name(self.name)}"


async def look_at_columns(reader: Reader, scope: Scope) -> list[Column]:
    rows = await reader.rows(
        "the columns of tables", _LOOK, list(scope.auth), list(scope.watched), _LIKE_PASSWORD, _LIKE_TOKEN
    )
    return [Column(**fields(row)) for row in rows]


async def look_at_shapes(reader: Reader, column: Column) -> dict[str, int]:
    """The number of rows by format (`hash`, `weak`, `clear`), among the first 1000."""
    if not await reader.is_read_safely(column.schema, column.table):
        return {}
    table = f"{sql_name(column.schema)}.{sql_name(column.table)}"
    query = _SHAPES % (sql_name(column.name), table)
    try:
        rows = await reader.rows_or_error(query, LOWEST_COST, _SAMPLE)
    except asyncpg.InsufficientPrivilegeError:
        rows = await reader.rows(f"rows of {table}", query, LOWEST_COST, _SAMPLE, role=column.owner)
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        reader.add_not_checked(f"rows of {table}", reader.reason(error))
        rows = []
    return {row["shape"]: row["rows"] for row in rows}


def judge_columns(columns: Sequence[Column], functions: Sequence[Function]) -> list[Finding]:
    """Tokens, by name and type. A text column is skipped if a function of the schema makes digests."""
    hashing = {
        function.schema for function in functions if not _HASHES.isdisjoint(sources.calls(function.source))
    }
    return [
        CLEAR_TOKENS.broken(column.where, detail=f"Its type is {column.type}.")
        for column in columns
        if not column.is_password and (column.type == "uuid" or column.schema not in hashing)
    ]


def judge_shapes(column: Column, shapes: dict[str, int]) -> list[Finding]:
    total = sum(shapes.values())
    return [
        rule.broken(column.where, detail=f"{shapes[shape]} of {total} examined rows.")
        for shape, rule in (("clear", CLEAR_PASSWORDS), ("weak", WEAK_HASHES))
        if shapes.get(shape)
    ]


def judge_salts(functions: Sequence[Function]) -> list[Finding]:
    return [
        WEAK_SALT.broken(function.where, detail=f"It calls {call}.")
        for function in functions
        for call in _weak_salts(function)
    ]


def _weak_salts(function: Function) -> Iterable[str]:
    for found in _GEN_SALT(sources.code(function.source)):
        kind, cost = found["kind"].lower(), found["cost"]
        if kind != "bf" or found["bare"] or (cost and int(cost) < LOWEST_COST):
            yield f"gen_salt('{kind}', {cost})" if cost else f"gen_salt('{kind}')"
