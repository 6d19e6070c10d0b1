"""The rules of app/sql that only the text of the files can show."""

import re

import pytest

from app.migrations import Migration, load

MIGRATIONS = load()

PREAMBLE = """
set local search_path = pg_catalog, pg_temp;
"""
KEYWORDS = r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|GRANT|REVOKE|ALTER|BEGIN|END|NULL|NOT|AND|OR)\b"

each_file = pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda migration: migration.name)


def code(migration: Migration) -> str:
    """Without comments and strings."""
    without_comments = re.sub(r"--[^\n]*", "", migration.sql)
    return re.sub(r"'(?:[^']|'')*'", "''", without_comments)


def statements(migration: Migration) -> str:
    """Without the bodies of functions and blocks as well."""
    return re.sub(r"\$(\w*)\$.*?\$\1\$", "", code(migration), flags=re.DOTALL)


def functions(migration: Migration) -> list[str]:
    """From `create function` to where its body begins."""
    pattern = r"create (?:or replace )?function.*?(?=\n *(?:as \$\$|return\b(?!s)))"
    return re.findall(pattern, migration.sql, re.DOTALL)


@each_file
def test_it_opens_by_saying_what_it_grants_and_what_an_attacker_would_gain(migration: Migration) -> None:
    head = migration.sql.partition("\n\n")[0]

    assert all(line.startswith("--") for line in head.splitlines())
    assert "\n-- Grants: " in head
    assert "\n-- Attacker: " in head


@each_file
def test_it_narrows_the_search_path_and_books_itself_first(migration: Migration) -> None:
    columns = "postgate.migration (version, name)"
    booking = f"insert into {columns} values ({migration.version}, '{migration.name}');"  # noqa: S608 (text)

    assert migration.sql.partition("\n\n")[2].startswith(PREAMBLE.lstrip())
    assert migration.sql.count(booking) == 1
    if migration.version > 1:
        lines = [line for line in migration.sql.splitlines() if line and not line.startswith("--")]
        assert lines[1] == booking


@each_file
def test_a_role_it_takes_is_laid_down_at_the_end(migration: Migration) -> None:
    assert ("set local role" in migration.sql) == migration.sql.endswith("\nreset role;\n")


@each_file
def test_every_function_states_its_volatility(migration: Migration) -> None:
    made = re.findall(r"create (?:or replace )?function ", migration.sql)
    assert len(functions(migration)) == len(made)
    for function in functions(migration):
        assert re.search(r"\b(volatile|stable|immutable)\b", function), function


def test_the_functions_are_found() -> None:
    assert sum(len(functions(migration)) for migration in MIGRATIONS) > 90


@each_file
def test_keywords_are_in_lower_case(migration: Migration) -> None:
    assert re.findall(KEYWORDS, code(migration)) == []


@each_file
def test_it_is_plain_sql_that_runs_in_one_transaction(migration: Migration) -> None:
    assert not re.search(r"^\s*\\", migration.sql, re.MULTILINE), "a psql meta command"
    assert not re.search(r"^(begin|commit|rollback|start|end)\b", statements(migration), re.MULTILINE)
    assert "concurrently" not in statements(migration)


@each_file
def test_lines_fit(migration: Migration) -> None:
    assert [line for line in migration.sql.splitlines() if len(line) > 110 or line != line.rstrip()] == []
    assert len(migration.sql.splitlines()) < 250
