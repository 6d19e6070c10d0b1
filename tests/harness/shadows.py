"""Plant shadows of pg_catalog, as a login that may do no more than CREATE in `public` and in its own schema.

A statement that names a function, aggregate, operator, type or relation without its schema runs a shadow
wherever that is the better match, or the path finds it first. The shadow leaves a row in the loot and a
warning in the server's log, which outlives a rollback; it returns null, so the response changes as well.

    shadows = plant(database, log=stack.postgres.log, statements=[...])
    ...                                # whatever must not be captured
    assert shadows.captured() == []

Such a test is worth something only if the same database captures `BETTER_MATCHES` or `FOUND_FIRST`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.devstack import Database

INTRUDER: Final = "intruder"  # the login, and the schema that is its property
KINDS: Final = ("functions", "aggregates", "operators", "types", "relations")

_SQL: Final = (Path(__file__).parent / "shadows.sql").read_text()
_CAPTURED: Final = re.compile(r"captured (.*) in (\S+) as (\S+)")
_NAMES: Final = re.compile(r"[a-z_][a-z0-9_]*|[-+*/<>=~!@#%^&|?]+")
# Operators that a statement uses without writing them: IN, CASE, USING, BETWEEN, LIKE, IS DISTINCT FROM
_IMPLIED: Final = frozenset({"=", "<>", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "||"})
# Types that the grammar knows by another name
_GRAMMAR: Final = frozenset({"bool", "int2", "int4", "int8", "float8", "numeric", "varchar", "bpchar"})

# What the owner lends: what PostgreSQL 14 grants to everybody, and one schema
_LENT: Final = f"""
do $$ begin
  create role {INTRUDER} login;
exception when duplicate_object then null;
end $$;
create schema {INTRUDER} authorization {INTRUDER};
grant create, usage on schema public to {INTRUDER};
"""

# Statements as people write them. Captured with nothing but `public` in the path, which is searched after
# pg_catalog: a better match wins wherever it is
BETTER_MATCHES: Final = {
    "function": "select json_build_array('{}'::json)",
    "set-returning function": "select * from unnest(array['a']) as a",
    "aggregate": "select count('a'::text)",
    "operator": "select array['a'] = array['b']",
    "implied operator": "select 'a'::name in ('a'::\"char\")",
}
# Captured where the path names the intruder's schema before pg_catalog
FOUND_FIRST: Final = {
    "function": "select current_setting('search_path', true)",
    "aggregate": "select count(*)",
    "operator": "select 'a' || 'b'",
    "implied operator": "select case 1 when 1 then 2 end",
    "pattern": "select 'a' like 'a'",
    "type": "select 'a'::text",  # `json` is a word of the grammar since PostgreSQL 17
    "relation": "select 1 from pg_roles limit 1",
}


@dataclass(frozen=True, slots=True)
class Shadows:
    """What was planted in one database."""

    database: Database
    log: Path  # of the server

    def captured(self) -> list[str]:
        """What was captured, and as which role, since the shadows were planted or `clear` was called."""
        rows = self.database.fetch(f"select l.what, l.who from {INTRUDER}.loot as l")  # noqa: S608
        told = _CAPTURED.findall(self._log()[self._seen() :])
        return sorted(
            {f"{row['what']} as {row['who']}" for row in rows}
            | {f"{what} as {who}" for what, name, who in told if name == self.database.name}
        )

    def clear(self) -> None:
        """Forget what was captured, for the next look."""
        self.database.execute(f"delete from {INTRUDER}.loot")  # noqa: S608
        self._mark.write_text(str(len(self._log())))

    def _log(self) -> str:
        return self.log.read_text(errors="replace")

    def _seen(self) -> int:
        return int(self._mark.read_text()) if self._mark.exists() else 0

    @property
    def _mark(self) -> Path:
        return self.log.with_name(f"{self.database.name}.seen")


def plant(
    database: Database,
    *,
    log: Path,
    statements: Iterable[str] | None = None,
    schemas: tuple[str, ...] = ("public", INTRUDER),
) -> Shadows:
    """Plant shadows of all that these statements name, or of all there is (20 s), in these schemas."""
    names = None if statements is None else names_in([*statements, *_controls()])
    database.execute(_LENT)
    database.execute(_SQL, role=INTRUDER)
    for schema in schemas:
        for kind in KINDS:
            query = f"select {INTRUDER}.plant_{kind}($1, $2)"
            if not database.fetch(query, schema, names, role=INTRUDER)[0][0]:
                raise AssertionError(f"no {kind} could be planted in {schema}")
    return Shadows(database, log)


def names_in(statements: Iterable[str]) -> list[str]:
    """Every word and every operator of these statements; which ones pg_catalog has is found out there."""
    found = {name for statement in statements for name in _NAMES.findall(statement.lower())}
    return sorted(found | _IMPLIED | _GRAMMAR)


def _controls() -> list[str]:
    return [*BETTER_MATCHES.values(), *FOUND_FIRST.values()]
