"""auth.login: who gets a session, who does not, and what the answers tell."""

import pytest

from .visitors import (
    DEMO_HASH,
    INVALID_CREDENTIALS,
    POST_ONLY,
    Connection,
    Visitor,
    live_sessions,
)

pytestmark = pytest.mark.anyio

# From 4, at which the users of the tests were made
RAISE_THE_COST = "update auth.setting set value = 11 where name = 'bcrypt_cost'"

# Moves a sequence by the work of each call, and finds that no password matches
COUNT_THE_WORK = """
create sequence public.work start 1 minvalue 0;
grant usage, update on sequence public.work to auth_owner;
create or replace function auth_private.bcrypt(password text, salt text) returns text
  language plpgsql volatile as $$
begin
  perform setval('public.work', (select last_value from public.work) + (2 ^ substr(salt, 5, 2)::int)::int);
  return '';
end $$;
grant select on sequence public.work to auth_owner;
select setval('public.work', 1);
"""


async def test_a_right_password_sets_both_cookies(visitor: Visitor) -> None:
    answer = await visitor.login("demo", "demo")

    assert answer.status == 204
    assert [cookie.name for cookie in answer.cookies] == ["access_token", "refresh_token"]
    access, refresh = answer.cookies
    assert access.attributes == ("Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600")
    assert refresh.attributes == ("Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=2592000")
    assert len(refresh.value) == 43


async def test_the_insert_of_the_recipes_makes_a_user_who_can_sign_in(
    connection: Connection, visitor: Visitor
) -> None:
    await connection.execute(
        "delete from auth.user;"
        "insert into auth.user (username, password, role) values ('demo', 'secret', 'basic_subscriber')"
    )

    assert (await visitor.login("demo", "secret")).status == 204
    assert (await visitor.login("demo", "demo")).status == 401


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("demo", "wrong"),
        ("demo", "demo "),
        ("demo", ""),
        ("demo", None),
        ("nobody", "demo"),
        ("", "demo"),
        (None, None),
        ("DEMO", "demo"),
        ("demo ", "demo"),
        ("de%", "demo"),
        ("demo' or 1=1 --", "demo"),
        ("demo\n", "demo"),
        ("d" * 1_000_000, "d" * 1_000_000),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_anything_else_is_refused_in_the_same_words(
    visitor: Visitor, user: str | None, password: str | None
) -> None:
    answer = await visitor.login(user, password)

    assert (answer.status, answer.message) == (401, INVALID_CREDENTIALS)
    assert not answer.headers


async def test_a_disabled_user_is_refused_in_the_same_words(connection: Connection, visitor: Visitor) -> None:
    await connection.execute("update auth.user set disabled_at = now()")

    answer = await visitor.login()

    assert (answer.status, answer.message) == (401, INVALID_CREDENTIALS)


async def test_a_user_whose_role_has_become_powerful_is_refused(
    connection: Connection, visitor: Visitor
) -> None:
    await connection.execute("grant pg_read_all_data to basic_subscriber")

    assert (await visitor.login()).status == 401


async def test_a_long_password_is_used_in_full(connection: Connection, visitor: Visitor) -> None:
    longest = "é" * 35 + "ab"
    await connection.execute("update auth.user set password = $1", longest)

    assert (await visitor.login("demo", longest)).status == 204
    assert (await visitor.login("demo", longest + "x")).status == 401
    assert (await visitor.login("demo", longest[:-1] + "x")).status == 401


async def test_each_login_is_a_session_of_its_own(connection: Connection, visitor: Visitor) -> None:
    other = Visitor(connection)
    first = await visitor.login()
    second = await other.login()

    assert first.cookie("refresh_token").value != second.cookie("refresh_token").value
    assert await live_sessions(connection) == 2
    await visitor.logout()
    assert (await other.refresh()).status == 204


async def test_a_login_ends_the_session_whose_cookie_it_replaces(
    connection: Connection, visitor: Visitor
) -> None:
    await visitor.login()
    await visitor.login()

    assert await live_sessions(connection) == 1


async def test_a_refresh_cookie_planted_before_the_login_is_not_adopted(
    connection: Connection, visitor: Visitor
) -> None:
    planted = "A" * 43
    visitor.cookies["refresh_token"] = planted
    answer = await visitor.login()

    assert answer.cookie("refresh_token").value != planted
    thief = Visitor(connection, cookies={"refresh_token": planted})
    assert (await thief.refresh()).status == 401


async def test_a_failed_login_leaves_the_present_session_alone(
    connection: Connection, visitor: Visitor
) -> None:
    await visitor.login()
    assert (await visitor.login("demo", "wrong")).status == 401

    assert (await visitor.refresh()).status == 204


async def test_a_login_makes_an_old_hash_as_strong_as_today_and_ends_no_session(
    connection: Connection, visitor: Visitor
) -> None:
    other = Visitor(connection)
    await other.login()
    await connection.execute(RAISE_THE_COST)
    await visitor.login()

    assert str(await connection.fetchval("select password from auth.user")).startswith("$2a$11$")
    assert (await visitor.login("demo", "wrong")).status == 401
    assert (await visitor.login("demo", "demo")).status == 204
    assert (await other.refresh()).status == 204
    # The exception was for that one statement, not for what the transaction does later
    await connection.execute("update auth.user set password = 'new'")
    assert (await other.refresh()).status == 401


async def test_no_hash_is_no_match_whatever_stands_in_for_it(connection: Connection) -> None:
    await connection.execute(
        "create or replace function auth_private.unmatchable_hash(cost integer) returns text"
        f" language sql immutable strict return '{DEMO_HASH}'"
    )

    assert not await connection.fetchval("select auth_private.password_matches('demo', null)")
    assert await connection.fetchval("select auth_private.password_matches('demo', $1)", DEMO_HASH)


@pytest.mark.parametrize("disabled", ["04", "10", "15"])
@pytest.mark.parametrize("dearest", [11, 15])
async def test_every_check_is_the_same_amount_of_bcrypt(
    connection: Connection, visitor: Visitor, dearest: int, disabled: str
) -> None:
    """Counted, not timed: each call of bcrypt is 2 to the power of its cost.

    The hash of a user who is disabled neither counts nor is checked: it would make every login dear for good.
    """
    await connection.execute(RAISE_THE_COST)
    await connection.execute(COUNT_THE_WORK)
    await connection.execute(
        "select auth.add_user('disabled', $1, 'anon')", DEMO_HASH.replace("$04$", f"${disabled}$")
    )
    await connection.execute("update auth.user set disabled_at = now() where username = 'disabled'")
    await connection.execute("select auth.add_user('imported', $1, 'anon')", DEMO_HASH)
    await connection.execute("select auth.add_user('today', $1, 'anon')", DEMO_HASH.replace("$04$", "$11$"))
    await connection.execute(
        "select auth.add_user('dearest', $1, 'anon')", DEMO_HASH.replace("$04$", f"${dearest}$")
    )

    for user, password in [
        ("dearest", "wrong"),
        ("today", "wrong"),
        ("demo", "wrong"),  # a hash from before the cost was raised
        ("imported", "wrong"),  # and one of another system
        ("disabled", "demo"),
        ("nobody", "demo"),
        ("no\nname", "demo"),
        ("demo", "x" * 73),
        ("demo", ""),
        (None, None),
    ]:
        assert (await visitor.login(user, password)).status == 401
        # Read outside of the transaction that login rolled back: a sequence is not undone
        work = await connection.fetchval("select last_value - 1 from public.work")
        assert work == 2**dearest, (user, password)
        await connection.execute("alter sequence public.work restart")


async def test_a_login_needs_a_transaction_that_may_write(connection: Connection, visitor: Visitor) -> None:
    """PostgREST answers GET in a read-only one: it would be a password oracle."""
    await connection.execute("set transaction read only")

    for answer in [await visitor.login(), await visitor.login("demo", "wrong")]:
        assert (answer.sqlstate, answer.message) == ("25006", POST_ONLY)


async def test_a_signed_in_client_may_log_in_again_with_its_bearer_still_attached(visitor: Visitor) -> None:
    answer = await visitor.call("auth.login('demo', 'demo')", role="basic_subscriber")

    assert answer.status == 204


async def test_expired_tokens_are_pruned_by_the_way(connection: Connection, visitor: Visitor) -> None:
    await visitor.login()
    await connection.execute(
        "update auth.refresh_token set issued_at = issued_at - interval '31 days',"
        " expires_at = expires_at - interval '31 days'"
    )
    await Visitor(connection).login()

    assert await connection.fetchval("select count(*) from auth.refresh_token") == 1
