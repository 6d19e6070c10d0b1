"""The shadows capture what statements name carelessly, and only that: otherwise they would prove nothing."""

from collections.abc import Iterator

import asyncpg
import pytest

from app.devstack import DevStack

from .shadows import BETTER_MATCHES, FOUND_FIRST, INTRUDER, Shadows, plant

pytestmark = pytest.mark.anyio

FIRST = f"{INTRUDER}, pg_catalog"


@pytest.fixture(scope="module")
def planted(stack: DevStack) -> Iterator[Shadows]:
    with stack.fresh_database(prepared=False) as database:
        yield plant(database, log=stack.postgres.log, statements=[])


@pytest.fixture
def shadows(planted: Shadows) -> Shadows:
    planted.clear()
    return planted


async def _run(shadows: Shadows, statement: str, *, path: str) -> None:
    connection = await asyncpg.connect(shadows.database.owner_dsn)
    try:
        await connection.execute(f"set search_path = {path}")
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("statement", BETTER_MATCHES.values(), ids=BETTER_MATCHES.keys())
async def test_a_better_match_in_public_is_taken(shadows: Shadows, statement: str) -> None:
    await _run(shadows, statement, path='"$user", public')

    assert shadows.captured()[0].endswith(" as postgres")


@pytest.mark.parametrize(
    "statement", [*BETTER_MATCHES.values(), *FOUND_FIRST.values()], ids=[*BETTER_MATCHES, *FOUND_FIRST]
)
async def test_what_the_path_finds_first_is_taken(shadows: Shadows, statement: str) -> None:
    await _run(shadows, statement, path=FIRST)

    assert shadows.captured()


async def test_a_capture_is_seen_even_in_a_transaction_that_may_not_write(shadows: Shadows) -> None:
    await _run(shadows, "begin read only; select count('a'::text); rollback", path="public")

    assert shadows.captured() == ["aggregate count(text) as postgres"]


@pytest.mark.parametrize(
    "statement",
    [
        "select pg_catalog.json_build_array('{}'::pg_catalog.json)",
        "select pg_catalog.count('a'::pg_catalog.text)",
        "select 'a' OPERATOR(pg_catalog.||) 'b'",
        "select r.rolname from pg_catalog.pg_roles as r limit 1",
    ],
)
async def test_a_qualified_name_is_never_taken(shadows: Shadows, statement: str) -> None:
    await _run(shadows, statement, path=FIRST)

    assert shadows.captured() == []


async def test_a_cast_between_types_of_others_cannot_be_planted(shadows: Shadows) -> None:
    function = f"create function {INTRUDER}.cast_json(json) returns text language sql as 'select null::text'"
    shadows.database.execute(function, role=INTRUDER)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        shadows.database.execute(
            f"create cast (json as text) with function {INTRUDER}.cast_json(json)", role=INTRUDER
        )
