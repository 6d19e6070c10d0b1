"""A changed address, a fresh proof of identity, one's own data, and a deleted account."""

import json

import pytest

from .mailbox import PASSWORD, add_member, client, mail, mails
from .visitors import Answer, Connection, Visitor, live_sessions

pytestmark = pytest.mark.anyio

OLD, NEW = "ann@example.com", "new@example.com"
ASK = "auth.request_email_change($1)"
CONFIRM = "auth.confirm_email_change($1::text::uuid, $2)"
CANCEL = "auth.cancel_email_change($1::text::uuid, $2)"
EMAIL = "select email from auth.user where username = 'ann'"


@pytest.fixture
async def ann(connection: Connection) -> Visitor:
    await add_member(connection)
    visitor = client(connection)
    assert (await visitor.login("ann", "demo")).status == 204
    return visitor


async def grow_old(connection: Connection) -> None:
    await connection.execute("update auth.session set auth_time = auth_time - interval '5 minutes'")


async def test_an_address_changes_when_the_new_one_confirms(connection: Connection, ann: Visitor) -> None:
    other = client(connection)
    await other.login("ann", "demo")
    assert (await ann.call(ASK, NEW)).status == 202
    assert await connection.fetchval(EMAIL) == OLD
    assert (await mail(connection, OLD)).event == "email_change_requested"
    sent = await mail(connection, NEW)
    assert (await ann.call(CONFIRM, sent.request, sent.typed)).status == 204

    assert await connection.fetchval(EMAIL) == NEW
    assert (await ann.refresh()).claims["email"] == NEW
    assert (await other.refresh()).status == 401
    assert (await mail(connection, OLD)).event == "email_changed"
    assert (await mail(connection, NEW)).event == "email_changed"
    assert (await client(connection).login(OLD, "demo")).status == 401
    assert (await client(connection).login(NEW, "demo")).status == 204


async def test_the_old_address_cancels_before(connection: Connection, ann: Visitor) -> None:
    await ann.call(ASK, NEW)
    sent, notice = await mail(connection, NEW), await mail(connection, OLD)
    assert (await client(connection).call(CANCEL, notice.request, notice.link)).status == 204

    assert (await ann.call(CONFIRM, sent.request, sent.link)).status == 401
    assert await connection.fetchval(EMAIL) == OLD
    assert await live_sessions(connection, "ann") == 0


@pytest.mark.parametrize("which", [0, 1], ids=["the later notice", "the earlier notice"])
async def test_the_old_address_takes_the_change_back(
    connection: Connection, ann: Visitor, which: int
) -> None:
    await ann.call(ASK, NEW)
    sent = await mail(connection, NEW)
    await ann.call(CONFIRM, sent.request, sent.link)
    notice = (await mails(connection, OLD))[which]
    assert (await client(connection).call(CANCEL, notice.request, notice.link)).status == 204

    assert await connection.fetchval(EMAIL) == OLD
    assert await live_sessions(connection, "ann") == 0
    assert (await client(connection).login(OLD, "demo")).status == 204


async def test_a_change_is_not_cancelled_with_another_code(connection: Connection, ann: Visitor) -> None:
    await ann.call(ASK, NEW)
    sent, notice = await mail(connection, NEW), await mail(connection, OLD)

    assert (await ann.call(CANCEL, sent.request, sent.link)).status == 401
    assert (await ann.call(CONFIRM, notice.request, notice.link)).status == 401


async def test_a_taken_address_gets_the_same_response_and_no_mail(
    connection: Connection, ann: Visitor
) -> None:
    await add_member(connection, NEW)
    answer = await ann.call(ASK, NEW)

    assert (answer.status, list(json.loads(answer.value))) == (202, ["request"])
    assert await mails(connection, NEW) == []


async def test_an_address_that_was_taken_meanwhile_is_not_confirmed(
    connection: Connection, ann: Visitor
) -> None:
    await ann.call(ASK, NEW)
    sent = await mail(connection, NEW)
    await add_member(connection, NEW)

    assert (await ann.call(CONFIRM, sent.request, sent.link)).status == 401


def wants_a_proof(answer: Answer) -> bool:
    return answer.sqlstate == "PGRST" and json.loads(answer.message)["code"] == "reauthentication_required"


@pytest.mark.parametrize("call", ["auth.request_email_change('new@example.com')", "auth.delete_account()"])
async def test_a_sensitive_change_wants_a_fresh_proof(
    connection: Connection, ann: Visitor, call: str
) -> None:
    await grow_old(connection)
    before = ann.cookies["refresh_token"]
    assert wants_a_proof(await ann.call(call))
    assert (await ann.call("auth.reauthenticate('wrong')")).status == 401
    proved = await ann.call("auth.reauthenticate('demo')")

    assert (proved.status, proved.claims["amr"]) == (204, ["pwd"])
    assert ann.cookies["refresh_token"] != before
    assert await live_sessions(connection, "ann") == 1
    assert (await ann.call(call)).status in {202, 204}


async def test_a_deleted_account_is_gone(connection: Connection, ann: Visitor) -> None:
    await ann.call(ASK, NEW)
    answer = await ann.call("auth.delete_account()")

    assert answer.clears == {"access_token", "refresh_token"}
    assert await connection.fetchval("select count(*) from auth.user where username = 'ann'") == 0
    assert [sent.event for sent in await mails(connection, OLD)] == ["account_deleted"]
    assert await mails(connection, NEW) == []
    assert (await client(connection).login("ann", "demo")).status == 401


async def test_data_is_merged_and_null_removes(ann: Visitor) -> None:
    assert (await ann.call("auth.update_profile($1)", '{"a": 1, "b": {"c": 2}}')).status == 204
    answer = await ann.call("auth.update_profile($1)", '{"a": null, "d": 3}')

    assert json.loads(answer.value) == {"b": {"c": 2}, "d": 3}
    assert (await ann.call("auth.update_profile($1)", "[1]")).status == 422
    assert (await ann.call("auth.update_profile($1)", json.dumps({"x": "y" * 9000}))).status == 422


async def test_a_changed_password_is_noticed(connection: Connection, ann: Visitor) -> None:
    assert (await ann.call("auth.change_password($1, $2)", "demo", PASSWORD)).status == 204

    assert [sent.event for sent in await mails(connection, OLD)] == ["password_changed"]


@pytest.mark.parametrize(
    "call",
    [
        *("auth.reauthenticate('demo')", "auth.request_email_change('a@b.c')", "auth.delete_account()"),
        *("auth.update_profile('{}')", "auth.invite('a@b.c', 'x')"),
    ],
)
async def test_without_a_session_it_is_401(connection: Connection, call: str) -> None:
    assert (await client(connection).call(call)).status == 401


async def test_a_name_comes_before_an_address_that_reads_the_same(
    connection: Connection, ann: Visitor
) -> None:
    await connection.execute(
        "insert into auth.user (username, password, role) values ($1, 'other', 'basic_subscriber')", OLD
    )
    assert (await ann.login(OLD, "demo")).status == 401
    assert (await ann.login(OLD, "other")).claims["username"] == OLD
