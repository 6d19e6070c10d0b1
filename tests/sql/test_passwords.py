"""How a password is stored: hashed by the trigger, or announced as a hash, and never plain."""

import base64
import hmac
import unicodedata

import asyncpg
import pytest
from passlib.hash import bcrypt

from .visitors import DEMO_HASH, Connection, Visitor

pytestmark = pytest.mark.anyio

INSERT = "insert into auth.user (username, password, role) values ('eve', $1, 'basic_subscriber')"
ADD = "select auth.add_user('eve', $1, 'basic_subscriber')"
STORED = "select password from auth.user where username = 'eve'"
BODY = DEMO_HASH[-53:]


def verifies(password: str, stored: str) -> bool:
    """bcrypt of base64(HMAC-SHA-256), made here by other means."""
    form = unicodedata.normalize("NFKC", password).encode()
    digest = hmac.digest(b"postgate password 1", form, "sha256")
    hashed, mark = stored[:60], stored[60:]
    return mark == "$postgate1" and bool(bcrypt.verify(base64.b64encode(digest), hashed))


async def test_a_plain_password_is_hashed_at_the_configured_cost(connection: Connection) -> None:
    await connection.execute(INSERT, "correct horse")

    stored = await connection.fetchval(STORED)
    assert stored.startswith("$2a$04$")
    assert verifies("correct horse", stored)


async def test_the_product_hashes_at_cost_12(connection: Connection) -> None:
    """The tests lower it."""
    assert await connection.fetchval("select auth_private.bcrypt_cost()") == 4
    await connection.execute("update auth.setting set value = null")

    assert await connection.fetchval("select auth_private.bcrypt_cost()") == 12


async def test_equal_passwords_have_different_hashes(connection: Connection) -> None:
    await connection.execute(INSERT, "same")
    first = await connection.fetchval(STORED)
    await connection.execute("update auth.user set password = 'same' where username = 'eve'")

    assert await connection.fetchval(STORED) != first


@pytest.mark.parametrize("password", ["", "x" * 257, None], ids=ascii)
async def test_a_password_that_is_empty_or_too_long_is_refused_without_being_quoted(
    connection: Connection, password: str | None
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await connection.execute(INSERT, password)

    error = refused.value
    assert error.message == "the password is not acceptable"
    if password:
        for field in (error.message, error.detail, error.hint, error.context):
            assert password not in (field or "")


async def test_no_error_on_the_way_in_quotes_a_plain_password(connection: Connection) -> None:
    for statement in [
        "insert into auth.user (username, password, role) values ('demo', $1, 'basic_subscriber')",
        "insert into auth.user (username, password, role) values (' x', $1, 'basic_subscriber')",
        "insert into auth.user (username, password, role) values ('x', $1, 'postgres')",
        "insert into auth.user (username, password, role, created_at) values ('x', $1, 'anon', null)",
    ]:
        with pytest.raises(asyncpg.PostgresError) as refused:
            async with connection.transaction():
                await connection.execute(statement, "PlainSecret")
        assert "PlainSecret" not in repr(refused.value.as_dict())


async def test_what_looks_like_a_hash_is_a_password_like_any_other(connection: Connection) -> None:
    """Guessing would let whoever types a password choose what is stored."""
    await connection.execute(INSERT, DEMO_HASH)

    assert await connection.fetchval(STORED) != DEMO_HASH
    assert (await Visitor(connection).login("eve", "demo")).status == 401
    assert (await Visitor(connection).login("eve", DEMO_HASH)).status == 204


async def test_an_announcement_holds_for_that_hash_alone(connection: Connection) -> None:
    await connection.execute("select auth_private.announce_hash($1)", DEMO_HASH)
    await connection.execute(INSERT, "$2a$11$" + BODY)

    assert await connection.fetchval(STORED) != "$2a$11$" + BODY


@pytest.mark.parametrize("password", ["pässwörd€😀", "ÿþý", "x" * 72, "é" * 36, "\x01\x7f\\'\"%s"])
async def test_a_hash_made_by_passlib_signs_in(connection: Connection, password: str) -> None:
    """Ident 2a, the only one pgcrypto knows; both sides hash the bytes of UTF-8."""
    hashed = bcrypt.using(ident="2a", rounds=4).hash(password)
    await connection.execute(ADD, hashed)

    assert await connection.fetchval(STORED) == hashed
    assert (await Visitor(connection).login("eve", password)).status == 204
    assert (await Visitor(connection).login("eve", password[:-1] + "?")).status == 401


async def test_a_hash_made_by_postgres_verifies_in_passlib(connection: Connection) -> None:
    await connection.execute(INSERT, "pässwörd€😀")

    assert verifies("pässwörd€😀", await connection.fetchval(STORED))


@pytest.mark.parametrize(
    "hashed",
    [
        *("", "plain", "$2b$10$" + BODY, "$2y$10$" + BODY, "$2a$03$" + BODY, "$2a$16$" + BODY, None),
        *(DEMO_HASH + "\n", DEMO_HASH[:-1], DEMO_HASH + "x", "x" + DEMO_HASH, "$1$salt$hash"),
    ],
    ids=ascii,
)
async def test_a_foreign_hash_is_refused_without_being_quoted(
    connection: Connection, hashed: str | None
) -> None:
    for statement in (ADD, "select auth.set_password_hash('demo', $1)"):
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            async with connection.transaction():
                await connection.execute(statement, hashed)
        assert refused.value.message == "the password hash is not acceptable"
        assert not hashed or hashed not in repr(refused.value.as_dict())


@pytest.mark.parametrize("cost", [4, 6, 9, 11])
async def test_a_hash_of_another_system_is_taken_as_it_is_and_gets_todays_cost_at_the_next_login(
    connection: Connection, cost: int
) -> None:
    """6: gen_salt('bf') of the known recipes."""
    hashed = bcrypt.using(ident="2a", rounds=cost).hash("secret")
    await connection.execute(ADD, hashed)
    assert await connection.fetchval(STORED) == hashed
    assert (await Visitor(connection).login("eve", "wrong")).status == 401
    assert await connection.fetchval(STORED) == hashed

    visitor = Visitor(connection)
    assert (await visitor.login("eve", "secret")).status == 204
    stored = await connection.fetchval(STORED)
    assert stored.startswith("$2a$04$")
    assert verifies("secret", stored)
    assert (await visitor.refresh()).status == 204
    assert (await visitor.login("eve", "secret")).status == 204


async def test_a_hash_that_the_recipes_made_signs_in(connection: Connection) -> None:
    hashed = await connection.fetchval("select extensions.crypt('secret', extensions.gen_salt('bf'))")
    await connection.execute("select auth.set_password_hash('demo', $1)", hashed)

    assert hashed.startswith("$2a$06$")
    assert (await Visitor(connection).login("demo", "secret")).status == 204


async def test_a_weak_hash_is_not_taken_for_one_where_a_password_is_meant(connection: Connection) -> None:
    await connection.execute(INSERT, "$2a$06$" + BODY)

    assert (await connection.fetchval(STORED)).startswith("$2a$04$")


async def test_a_hash_can_be_replaced(connection: Connection) -> None:
    hashed = bcrypt.using(ident="2a", rounds=4).hash("new")
    await connection.execute("select auth.set_password_hash('demo', $1)", hashed)

    assert (await Visitor(connection).login("demo", "new")).status == 204
    assert (await Visitor(connection).login("demo", "demo")).status == 401


async def test_a_hash_for_nobody_is_an_error(connection: Connection) -> None:
    with pytest.raises(asyncpg.NoDataFoundError, match="there is no such user"):
        await connection.execute("select auth.set_password_hash('nobody', $1)", DEMO_HASH)


async def test_a_row_written_back_unchanged_keeps_its_password(connection: Connection) -> None:
    """As ORMs do: hashing the hash would lock the user out."""
    await connection.execute("update auth.user set username = username, password = password, role = role")

    assert (await Visitor(connection).login()).status == 204


async def test_the_table_itself_holds_no_plain_password(connection: Connection) -> None:
    await connection.execute("alter table auth.user disable trigger user")
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(INSERT, "plain")


async def test_a_password_counts_in_full_and_in_one_unicode_form(connection: Connection) -> None:
    longest = "🙂" * 255 + "a"
    await connection.execute(INSERT, longest)
    visitor = Visitor(connection)

    assert (await visitor.login("eve", longest)).status == 204
    assert (await visitor.login("eve", longest[:-1] + "b")).status == 401
    assert (await visitor.login("eve", longest + "x")).status == 401
    await connection.execute("update auth.user set password = $1 where username = 'eve'", "ﬁve e\u0301")
    assert (await visitor.login("eve", "five é")).status == 204


async def test_a_hash_of_a_recipe_is_checked_with_the_password_as_it_is(connection: Connection) -> None:
    """And a longer one than bcrypt reads does not match it."""
    await connection.execute(ADD, bcrypt.using(ident="2a", rounds=4).hash("x" * 72))

    assert (await Visitor(connection).login("eve", "x" * 73)).status == 401
    assert (await Visitor(connection).login("eve", "x" * 72)).status == 204
    assert (await connection.fetchval(STORED)).endswith("$postgate1")


async def test_only_a_guest_has_no_password(connection: Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with connection.transaction():
            await connection.execute(INSERT, None)
    await connection.execute("insert into auth.user (username, role, is_guest) values ('g', 'anon', true)")
    assert (await Visitor(connection).login("g", "")).status == 401
