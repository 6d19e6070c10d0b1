"""One-time codes: derived as by the gateway, used once, for one purpose, a few guesses, a short while."""

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest

from .conftest import Connect
from .mailbox import KEY, PASSWORD, add_member, client, mail, mails, request_of
from .visitors import SETTINGS, Connection, Visitor

pytestmark = pytest.mark.anyio

VECTORS = json.loads((Path(__file__).parents[1] / "one_time_codes.json").read_text())
RESET = "auth.reset_password($1::text::uuid, $2, $3)"
ASK = "auth.request_password_reset($1)"
SIGN_IN = "auth.sign_in_with_code($1::text::uuid, $2)"
ASK_TO_SIGN_IN = "auth.request_sign_in_code($1)"
PERMIT = "update auth.setting set value = 1 where name = 'sign_in_codes'"


@pytest.fixture
async def ann(connection: Connection) -> Visitor:
    await add_member(connection)
    await connection.execute(PERMIT)
    return client(connection)


async def test_a_link_and_a_typed_code_are_the_ones_that_the_gateway_derives(connection: Connection) -> None:
    for vector in VECTORS["codes"]:
        codes = await connection.fetchval(
            "select array[auth_private.link_code($1, $2), auth_private.typed_code($1, $2)]",
            bytes.fromhex(vector["code_key"]),
            vector["id"],
        )
        assert codes == [vector["link"], vector["typed"]]


@pytest.mark.parametrize("keys", ["", "x", "00" * 31, "AA" * 32, "00" * 32 + ","])
async def test_without_keys_it_is_an_error_for_every_address(
    connection: Connection, ann: Visitor, keys: str
) -> None:
    ann.settings = {**SETTINGS, "app.settings.code_keys": keys}
    for call in (
        ann.call(ASK, "ann@example.com"),
        ann.call(ASK, "none@example.com"),
        ann.call(RESET, str(await connection.fetchval("select gen_random_uuid()")), "x", PASSWORD),
    ):
        answer = await call
        assert answer.sqlstate == "F0000"
        assert "00" not in answer.message


@pytest.mark.parametrize("spell", ["{link}", "{typed}", " {typed}", "{dashed}", "{lower}"])
async def test_a_code_is_accepted_in_any_spelling(connection: Connection, ann: Visitor, spell: str) -> None:
    await ann.call(ASK_TO_SIGN_IN, "ann@example.com")
    sent = await mail(connection, "ann@example.com")
    assert sent.typed
    dashed = f"{sent.typed[:4]}-{sent.typed[4:]}"
    code = spell.format(link=sent.link, typed=sent.typed, dashed=dashed, lower=dashed.lower())

    answer = await ann.call(SIGN_IN, sent.request, code)
    assert (answer.status, answer.claims["amr"]) == (204, ["otp"])


async def test_a_code_of_an_earlier_key_is_accepted(connection: Connection, ann: Visitor) -> None:
    await ann.call(ASK_TO_SIGN_IN, "ann@example.com")
    sent = await mail(connection, "ann@example.com")
    ann.settings = {**SETTINGS, "app.settings.code_keys": "11" * 32 + "," + KEY.hex()}
    assert (await ann.call(SIGN_IN, sent.request, sent.link)).status == 204


REJECTED = {
    "another": "select 1",
    "expired": "update auth.one_time_code set created_at = now() - interval '1 h', expires_at = now()",
    "void": "update auth.one_time_code set voided_at = clock_timestamp()",
    "used": "update auth.one_time_code set used_at = clock_timestamp()",
    "guessed too often": "update auth.one_time_code set attempts = 5",
    "of another purpose": "update auth.one_time_code set purpose = 'reset_password'",
    "of a disabled user": "update auth.user set disabled_at = now() where username = 'ann'",
    "unknown": "delete from auth.one_time_code",
    "another key": "select 1",
}


@pytest.mark.parametrize("case", REJECTED)
async def test_a_code_that_is_not_accepted_gets_one_response(
    connection: Connection, ann: Visitor, case: str
) -> None:
    await ann.call(ASK_TO_SIGN_IN, "ann@example.com")
    sent = await mail(connection, "ann@example.com")
    await connection.execute(REJECTED[case])
    if case == "another key":
        ann.settings = {**SETTINGS, "app.settings.code_keys": "22" * 32}
    code = "23456789" if case == "another" else sent.link

    answer = await ann.call(SIGN_IN, sent.request, code)
    assert (answer.status, answer.headers) == (401, ())
    assert json.loads(answer.value)["message"] == "Invalid or expired code"


async def test_five_guesses_and_no_more(connection: Connection, ann: Visitor) -> None:
    await ann.call(ASK_TO_SIGN_IN, "ann@example.com")
    sent = await mail(connection, "ann@example.com")
    for _ in range(4):
        assert (await ann.call(SIGN_IN, sent.request, "22222222")).status == 401
    assert await connection.fetchval("select attempts from auth.one_time_code") == 4
    assert (await ann.call(SIGN_IN, sent.request, "22222222")).status == 401

    assert (await ann.call(SIGN_IN, sent.request, sent.link)).status == 401


async def test_a_later_code_voids_the_earlier_one_after_a_minute(
    connection: Connection, ann: Visitor
) -> None:
    first = request_of(await ann.call(ASK, "ann@example.com"))
    second = request_of(await ann.call(ASK, "ann@example.com"))
    rows = await connection.fetch(
        "select request::text, extract(epoch from voided_at - clock_timestamp()) as seconds"
        " from auth.one_time_code"
    )
    voids = {row["request"]: row["seconds"] for row in rows}
    assert 50 < voids[first] <= 60
    assert voids[second] is None


@pytest.mark.parametrize("change", ["password = 'other'", "email = 'b@example.com'", "disabled_at = now()"])
async def test_a_change_of_the_user_voids_the_codes(
    connection: Connection, ann: Visitor, change: str
) -> None:
    await ann.call(ASK, "ann@example.com")
    await connection.execute(f"update auth.user set {change} where username = 'ann'")  # noqa: S608

    assert await connection.fetchval("select voided_at <= clock_timestamp() from auth.one_time_code")


@pytest.mark.parametrize(
    "address", ["none@example.com", "unverified@example.com", "disabled@example.com", "ANN@example.com"]
)
async def test_every_address_gets_the_same_response_after_the_same_rows(
    connection: Connection, ann: Visitor, address: str
) -> None:
    for name in ("unverified", "disabled"):
        await add_member(connection, f"{name}@example.com")
    await connection.execute(
        "update auth.user set email_verified_at = null where username = 'unverified';"
        "update auth.user set disabled_at = now() where username = 'disabled'"
    )
    answer = await ann.call(ASK, address)

    assert (answer.status, answer.headers) == (202, ())
    assert list(json.loads(answer.value)) == ["request"]
    assert await connection.fetchval("select count(*) from auth.one_time_code") == 1
    assert await connection.fetchval("select count(*) from auth.outbox") == 1
    sent = await connection.fetch("select * from auth.lease_mails(10, 30)")
    assert [row["address"] for row in sent] == (["ann@example.com"] if address[0] == "A" else [])


async def test_an_address_gets_three_mails_an_hour(connection: Connection, ann: Visitor) -> None:
    for _ in range(5):
        assert (await ann.call(ASK, "ann@example.com")).status == 202
    assert len(await mails(connection, "ann@example.com")) == 3
    await connection.execute("update auth.outbox set created_at = created_at - interval '1 h'")
    await ann.call(ASK, "ann@example.com")
    assert len(await mails(connection, "ann@example.com")) == 4


async def test_signing_in_with_a_code_is_off_by_default(connection: Connection, ann: Visitor) -> None:
    await connection.execute("update auth.setting set value = null where name = 'sign_in_codes'")

    assert (await ann.call(ASK_TO_SIGN_IN, "ann@example.com")).status == 403
    assert (await ann.call(SIGN_IN, "00000000-0000-0000-0000-000000000000", "x")).status == 403


async def test_of_a_hundred_parallel_uses_one_wins(connect: Connect) -> None:
    owner = await connect()
    await add_member(owner)
    await owner.execute(PERMIT)
    await client(owner).call(ASK_TO_SIGN_IN, "ann@example.com")
    sent = await mail(owner, "ann@example.com")
    connections = [await connect() for _ in range(10)]

    async def use(connection: Connection) -> list[int]:
        visitor = client(connection)
        return [(await visitor.call(SIGN_IN, sent.request, sent.link)).status for _ in range(10)]

    statuses = [status for each in await asyncio.gather(*map(use, connections)) for status in each]
    assert sorted(statuses) == [204] + [401] * 99
    assert await owner.fetchval("select count(*) from auth.session") == 1


async def test_parallel_guesses_are_all_counted(connect: Connect) -> None:
    owner = await connect()
    await add_member(owner)
    await client(owner).call(ASK, "ann@example.com")
    sent = await mail(owner, "ann@example.com")
    connections = [await connect() for _ in range(8)]
    calls = [client(one).call(RESET, sent.request, "22222222", PASSWORD) for one in connections]

    assert {answer.status for answer in await asyncio.gather(*calls)} == {401}
    assert await owner.fetchval("select attempts from auth.one_time_code") == 5


async def test_a_reset_sets_the_password_and_ends_everything(connection: Connection, ann: Visitor) -> None:
    thief = Visitor(connection)
    await thief.login("ann", "demo")
    await ann.call(ASK, "Ann@Example.com")
    assert (await thief.refresh()).status == 204, "asking changes nothing"
    sent = await mail(connection, "ann@example.com")
    answer = await ann.call(RESET, sent.request, sent.typed, PASSWORD)

    assert (answer.status, answer.headers) == (204, ())
    assert (await thief.refresh()).status == 401
    assert (await ann.login("ann@EXAMPLE.com", PASSWORD)).status == 204
    assert (await ann.login("ann", "demo")).status == 401
    assert (await mail(connection, "ann@example.com")).event == "password_reset"
    assert (await ann.call(RESET, sent.request, sent.typed, PASSWORD)).status == 401


async def test_an_unfit_password_does_not_use_the_code(connection: Connection, ann: Visitor) -> None:
    await connection.execute("update auth.setting set value = 15 where name = 'password_length'")
    await ann.call(ASK, "ann@example.com")
    sent = await mail(connection, "ann@example.com")
    for password in ("short", "example.example.com", "ann@example.com.example"):
        assert (await ann.call(RESET, sent.request, sent.link, password)).status == 422

    assert (await ann.call(RESET, sent.request, sent.link, PASSWORD)).status == 204


async def test_what_the_database_holds_signs_nobody_in(connection: Connection, ann: Visitor) -> None:
    """Every value of every row of the two tables, as a reader of the database would try it."""
    await ann.call(ASK_TO_SIGN_IN, "ann@example.com")
    sent = await mail(connection, "ann@example.com")
    held = await connection.fetchval(
        "select string_agg(c::text || o::text, ' ') from auth.one_time_code as c, auth.outbox as o"
    )
    assert sent.link not in held
    assert sent.typed not in held
    assert KEY.hex() not in held


async def test_old_codes_are_pruned(connection: Connection, ann: Visitor) -> None:
    await ann.call(ASK, "ann@example.com")
    await connection.execute(
        "update auth.one_time_code set created_at = now() - interval '3 d',"
        " expires_at = now() - interval '2 d'"
    )
    await ann.call(ASK, "ann@example.com")

    assert await connection.fetchval("select count(*) from auth.one_time_code") == 1


async def test_a_get_request_is_rejected(connection: Connection) -> None:
    await connection.execute("set transaction read only")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await connection.execute("select auth.verify_email(gen_random_uuid(), 'x')")
