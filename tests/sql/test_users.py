"""auth.user: the one form of a user name, and the roles a user may have."""

import asyncpg
import pytest

from .visitors import DEMO_HASH, Connection, Visitor

pytestmark = pytest.mark.anyio

ADD = "select auth.add_user($1, $2, $3)"
FORM = "select auth_private.username_form($1)"


async def add(connection: Connection, name: str | None, role: str | None = "basic_subscriber") -> None:
    await connection.execute(ADD, name, DEMO_HASH, role)


@pytest.mark.parametrize(
    "name",
    [
        *("a", "demo2", "Demo", "a@example.org", "Åsa Öberg", "李小龍", "عمر", "🙂"),
        *("x" * 254, "o'neil", 'a"b\\c', "%_"),
    ],
)
async def test_a_name_in_its_form_is_kept_as_it_is(connection: Connection, name: str) -> None:
    await add(connection, name)

    assert await connection.fetchval("select count(*) from auth.user where username = $1", name) == 1
    assert await connection.fetchval(FORM, name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", " demo2", "demo2 ", "\u00a0demo2", "demo2\u3000", "de\nmo", "de\tmo", "de\x7fmo"),
        *("de\u0085mo", "de\u200bmo", "de\u200dmo", "\ufeffdemo", "de\u202emo", "de\u2066mo"),
        *("de\u00admo", "de\ufe0fmo", "de\U000e0041mo", "x" * 255, "x" * 5000, None),
    ],
    ids=ascii,
)
async def test_a_name_without_a_form_is_refused(connection: Connection, name: str | None) -> None:
    assert await connection.fetchval(FORM, name) is None
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await add(connection, name)

    assert refused.value.message == "the user name is not acceptable"


async def test_both_spellings_of_a_letter_are_one_user(connection: Connection) -> None:
    decomposed, composed = "de\u0301mo", "d\u00e9mo"
    await add(connection, decomposed)

    assert await connection.fetchval("select count(*) from auth.user where username = $1", composed) == 1
    for spelling in (decomposed, composed):
        assert (await Visitor(connection).login(spelling, "demo")).status == 204
    with pytest.raises(asyncpg.UniqueViolationError):
        await add(connection, composed)


async def test_a_name_is_brought_into_its_form_when_it_is_changed(connection: Connection) -> None:
    await connection.execute("update auth.user set username = $1", "de\u0301mo")

    assert await connection.fetchval("select username from auth.user") == "d\u00e9mo"


async def test_the_table_itself_holds_no_name_outside_the_form(connection: Connection) -> None:
    await connection.execute("alter table auth.user disable trigger user")
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("update auth.user set username = $1", "de\u0301mo")


DANGEROUS = {
    "superuser": "create role dangerous superuser",
    "creates roles": "create role dangerous createrole",
    "reads every table": "create role dangerous; grant pg_read_all_data to dangerous",
    "runs programs": "create role dangerous; grant pg_execute_server_program to dangerous",
    "reads files, by way of another": (
        "create role dangerous; create role between; grant between to dangerous;"
        "grant pg_read_server_files to between"
    ),
    "becomes a superuser": "create role boss superuser; create role dangerous; grant boss to dangerous",
    "becomes the owner": "create role dangerous; grant auth_owner to dangerous",
    "becomes the authenticator": "create role dangerous; grant authenticator to dangerous",
}


@pytest.mark.parametrize("how", DANGEROUS)
async def test_a_role_with_power_over_the_server_cannot_be_given(connection: Connection, how: str) -> None:
    await connection.execute(DANGEROUS[how])
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await add(connection, "eve", "dangerous")


@pytest.mark.parametrize(
    "role",
    [
        *("nobody_made_this", "none", "public", "", "postgres", "pg_monitor", "pg_database_owner"),
        *("authenticator", "gateway", "auth_owner", "BASIC_SUBSCRIBER", "basic_subscriber ", None),
        "basic_subscriber" + "x" * 100,
    ],
    ids=ascii,
)
async def test_a_role_that_is_missing_or_reserved_cannot_be_given(
    connection: Connection, role: str | None
) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError) as refused:
        await add(connection, "eve", role)

    assert refused.value.message == "the role does not exist or may not be given to a user"


async def test_a_role_longer_than_a_name_does_not_pass_as_its_beginning(connection: Connection) -> None:
    await connection.execute(f"create role {'r' * 63}")
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await add(connection, "eve", "r" * 64)


async def test_a_role_is_checked_when_it_is_changed(connection: Connection) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await connection.execute("update auth.user set role = 'postgres'")


async def test_a_role_by_a_quoted_name_is_taken_literally(connection: Connection) -> None:
    await connection.execute('create role "Odd; role"')
    await add(connection, "eve", "Odd; role")

    assert (await Visitor(connection).login("eve", "demo")).status == 204
