"""The rules of app/sql that only the text of the files can show."""

import re
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parents[2] / "app/sql").glob("*/*.sql"))
MIGRATIONS = [file for file in FILES if file.parent.name == "migrations"]
ROUTINES = [file for file in FILES if file.parent.name == "routines"]

LISTS = {"0011_common_passwords"}  # one plain list of words

PREAMBLE = "set local search_path = pg_catalog, pg_temp;\n"
KEYWORDS = r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|GRANT|REVOKE|ALTER|BEGIN|END|NULL|NOT|AND|OR)\b"
MADE = r"^ *create (?:or replace )?(?:function|procedure|trigger|view) ([\w.]+)"


def each(files: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("file", files, ids=lambda file: file.stem)


def code(sql: str) -> str:
    """Without comments and strings."""
    return re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--[^\n]*", "", sql))


def statements(sql: str) -> str:
    """Without the bodies of functions and blocks as well."""
    return re.sub(r"\$(\w*)\$.*?\$\1\$", "", code(sql), flags=re.DOTALL)


def functions(sql: str) -> list[str]:
    """From `create function` to where its body begins."""
    return re.findall(r"create or replace function.*?(?=\n *(?:as \$\$|return\b(?!s)))", sql, re.DOTALL)


@each(FILES)
def test_it_opens_by_saying_what_it_grants_and_what_an_attacker_would_gain(file: Path) -> None:
    head = file.read_text().partition("\n\n")[0]

    assert all(line.startswith("--") for line in head.splitlines())
    assert "\n-- Grants: " in head
    assert "\n-- Attacker: " in head


@each(FILES)
def test_it_narrows_the_search_path_first(file: Path) -> None:
    assert file.read_text().partition("\n\n")[2].startswith(PREAMBLE)


@each(MIGRATIONS)
def test_a_migration_books_itself_first(file: Path) -> None:
    sql, version = file.read_text(), int(file.stem[:4])
    columns = "postgate.migration (version, name)"
    booking = f"insert into {columns} values ({version}, '{file.stem}');"  # noqa: S608 (text)

    assert sql.count(booking) == 1
    if version > 1:
        lines = [line for line in sql.splitlines() if line and not line.startswith("--")]
        assert lines[1] == booking


@each(FILES)
def test_a_role_it_takes_is_laid_down_at_the_end(file: Path) -> None:
    assert ("set local role" in file.read_text()) == file.read_text().endswith("\nreset role;\n")


@each(MIGRATIONS)
def test_a_migration_makes_no_routine(file: Path) -> None:
    assert re.findall(MADE, file.read_text(), re.MULTILINE) == []


@each(ROUTINES)
def test_routines_can_be_applied_again(file: Path) -> None:
    """Nothing but routines, their comments and grants, and rows that are replaced."""
    bare = statements(file.read_text())
    assert re.findall(r"\b(?:create(?! or replace)|alter|drop)\b.*", bare) == []
    assert bare.count("insert into") == bare.count("on conflict")
    made = re.findall(r"^ *create .*", file.read_text(), re.MULTILINE)
    assert all(line.lstrip().startswith("create or replace ") for line in made)


def test_every_routine_is_defined_once() -> None:
    made = [name for file in ROUTINES for name in re.findall(MADE, file.read_text(), re.MULTILINE)]

    assert len(made) > 80
    assert sorted(made) == sorted(set(made))


@each(ROUTINES)
def test_every_function_states_its_volatility(file: Path) -> None:
    sql = file.read_text()
    assert len(functions(sql)) == len(re.findall(r"create or replace function ", sql))
    for function in functions(sql):
        assert re.search(r"\b(volatile|stable|immutable)\b", function), function


@each(FILES)
def test_keywords_are_in_lower_case(file: Path) -> None:
    assert re.findall(KEYWORDS, code(file.read_text())) == []


@each(FILES)
def test_it_is_plain_sql_that_runs_in_one_transaction(file: Path) -> None:
    sql = file.read_text()
    assert not re.search(r"^\s*\\", sql, re.MULTILINE), "a psql meta command"
    assert not re.search(r"^(begin|commit|rollback|start|end)\b", statements(sql), re.MULTILINE)
    assert "concurrently" not in statements(sql)


@each(FILES)
def test_lines_fit(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert [line for line in lines if len(line) > 110 or line != line.rstrip()] == []
    assert len(lines) < 250 or file.stem in LISTS
