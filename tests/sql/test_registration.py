"""Registrations, guests and invitations: who becomes a user, with which role, and which password."""

import asyncio
import json

import pytest

from .conftest import Connect
from .mailbox import OPEN, PASSWORD, add_member, client, mail, mails, request_of
from .visitors import Connection, Visitor, start_session

pytestmark = pytest.mark.anyio

REGISTER = "auth.register($1, $2, $3)"
VERIFY = "auth.verify_email($1::text::uuid, $2)"
INVITE = "auth.invite($1, $2)"
ACCEPT = "auth.accept_invitation($1::text::uuid, $2, $3)"
GUEST = "auth.create_guest()"
NEW = "new@example.com"
USERS = "select count(*) from auth.user"


@pytest.fixture
async def new(connection: Connection) -> Visitor:
    await connection.execute(OPEN)
    return client(connection)


async def test_a_registration_becomes_a_user_when_its_address_is_verified(
    connection: Connection, new: Visitor
) -> None:
    before = await connection.fetchval(USERS)
    new.headers = {"accept-language": "de-DE,de;q=0.9"}
    answer = await new.call(REGISTER, "New@Example.COM", PASSWORD, '{"name": "N"}')
    assert (answer.status, await connection.fetchval(USERS)) == (202, before)
    assert (await new.login("New@Example.com", PASSWORD)).status == 401
    sent = await mail(connection, "New@example.com")
    assert (sent.purpose, sent.request, sent.language) == ("verify_email", request_of(answer), "de-DE")
    verified = await new.call(VERIFY, sent.request, sent.typed)

    assert (verified.status, verified.headers) == (204, ()), "it signs nobody in"
    (user,) = await connection.fetch("select * from auth.user where email = 'New@example.com'")
    assert user["email_verified_at"]
    assert (user["role"], user["data"], user["language"]) == ("basic_subscriber", '{"name": "N"}', "de-DE")
    assert (await new.login(NEW, PASSWORD)).claims["sub"] == str(user["id"]) == user["username"]


@pytest.mark.parametrize("mode", ["closed", "invited"])
async def test_a_registration_needs_the_open_mode(connection: Connection, new: Visitor, mode: str) -> None:
    await new.call(REGISTER, NEW, PASSWORD, "{}")
    sent = await mail(connection, NEW)
    await connection.execute("update auth.registration set mode = $1", mode)

    assert (await new.call(REGISTER, NEW, PASSWORD, "{}")).status == 403
    assert (await new.call(VERIFY, sent.request, sent.link)).status == 401


async def test_it_is_closed_by_default(connection: Connection) -> None:
    visitor = client(connection)
    assert (await visitor.call(REGISTER, NEW, PASSWORD, "{}")).status == 403
    assert (await visitor.call(GUEST)).status == 403


async def test_only_the_permitted_domains_register(connection: Connection, new: Visitor) -> None:
    await connection.execute("update auth.registration set domains = '{example.org}'")

    assert (await new.call(REGISTER, NEW, PASSWORD, "{}")).status == 403
    assert (await new.call(REGISTER, "new@EXAMPLE.org", PASSWORD, "{}")).status == 202


@pytest.mark.parametrize(
    "address",
    [
        *("", "a", "a@", "@a", "a@b@c", "a b@example.com", "a@exa mple.com", "a@example.com\r\nBcc: x@y.z"),
        *("<a@example.com>", "a@example.com,b@example.com", '"a"@example.com', "a\u200b@example.com"),
        *("x" * 65 + "@example.com", "a@" + "x" * 255, ".a@example.com", "a@-example.com", None),
    ],
    ids=ascii,
)
async def test_an_unfit_address_is_rejected(
    connection: Connection, new: Visitor, address: str | None
) -> None:
    answer = await new.call(REGISTER, address, PASSWORD, "{}")

    assert (answer.status, answer.message) == (422, "The address is not acceptable")
    assert await connection.fetchval("select count(*) from auth.outbox") == 0


@pytest.mark.parametrize("data", ["[]", "null", '"x"', None, json.dumps({"a": "x" * 9000})], ids=ascii)
async def test_unfit_data_is_rejected(new: Visitor, data: str | None) -> None:
    assert (await new.call(REGISTER, NEW, PASSWORD, data)).status == 422


async def test_a_taken_address_gets_the_same_response_and_its_owner_a_notice(
    connection: Connection, new: Visitor
) -> None:
    await add_member(connection)
    answer = await new.call(REGISTER, "ANN@example.com", PASSWORD, "{}")

    assert answer.status == 202
    assert [sent.event for sent in await mails(connection, "ann@example.com")] == ["registration_attempted"]
    assert await connection.fetchval("select count(*) from auth.one_time_code where address is null") == 1
    assert (await new.call(VERIFY, request_of(answer), "x")).status == 401


async def test_a_password_that_another_chose_is_never_that_of_the_owner(
    connection: Connection, new: Visitor
) -> None:
    """Pre-hijacking: the registration of a stranger before, and its verification after, the owner's own."""
    await new.call(REGISTER, NEW, "the stranger's password", "{}")
    stranger = await mail(connection, NEW)
    await new.call(REGISTER, NEW, "the owner's password", "{}")
    owner = await mail(connection, NEW)
    assert owner.request != stranger.request
    assert (await new.call(VERIFY, owner.request, stranger.link)).status == 401
    assert (await new.call(VERIFY, owner.request, owner.link)).status == 204

    assert (await new.call(VERIFY, stranger.request, stranger.link)).status == 401
    assert (await new.login(NEW, "the stranger's password")).status == 401
    assert (await new.login(NEW, "the owner's password")).status == 204


async def test_a_registration_does_not_void_that_of_another(connection: Connection, new: Visitor) -> None:
    await new.call(REGISTER, NEW, PASSWORD, "{}")
    await new.call(REGISTER, NEW, PASSWORD, "{}")

    assert await connection.fetchval("select count(voided_at) from auth.one_time_code") == 0


async def test_a_user_who_has_not_verified_an_address_loses_it_to_its_owner(
    connection: Connection, new: Visitor
) -> None:
    await add_member(connection, NEW)
    await connection.execute("update auth.user set email_verified_at = null where username = 'new'")
    await new.call(REGISTER, NEW, PASSWORD, "{}")
    sent = await mail(connection, NEW)

    assert (await new.call(VERIFY, sent.request, sent.link)).status == 204
    assert await connection.fetchval("select email from auth.user where username = 'new'") is None


async def test_of_two_who_verify_one_address_at_once_one_wins(connect: Connect) -> None:
    owner, one, other = await connect(), await connect(), await connect()
    await owner.execute(OPEN)
    for _ in range(2):
        await client(owner).call(REGISTER, NEW, PASSWORD, "{}")
    first, second = await mails(owner, NEW)
    answers = await asyncio.gather(
        client(one).call(VERIFY, first.request, first.link),
        client(other).call(VERIFY, second.request, second.link),
    )
    assert sorted(answer.status for answer in answers) == [204, 401]


async def test_a_guest_becomes_a_user_with_the_same_id(connection: Connection, new: Visitor) -> None:
    await connection.execute("update auth.registration set guest_role = 'basic_subscriber'")
    guest = await new.call(GUEST)
    assert (guest.status, guest.claims["amr"]) == (204, [])
    assert (await new.call(GUEST)).cookies == [], "it keeps the guest"
    await new.call(REGISTER, NEW, PASSWORD, "{}")
    sent = await mail(connection, NEW)
    assert (await client(connection).call(VERIFY, sent.request, sent.link)).status == 204

    answer = await new.login(NEW, PASSWORD)
    assert answer.claims["sub"] == guest.claims["sub"]
    assert not await connection.fetchval("select is_guest from auth.user where email = $1", NEW)


HOOK = """
create function auth.before_user(claims jsonb) returns jsonb language plpgsql as $$ begin
  if claims ->> 'email' like '%%@example.org' then
    raise sqlstate 'PT422' using message = 'not you';
  end if;
  return claims || '{{"username": "chosen", "role": {}}}';
end $$;
grant execute on function auth.before_user(jsonb) to auth_owner;
create function auth.claims(user_id uuid) returns jsonb language sql
  return '{{"plan": "gold", "role": "x"}}'::jsonb;
grant execute on function auth.claims(uuid) to auth_owner;
create table public.seen (session uuid);
grant insert on public.seen to auth_owner;
create function auth.after_sign_in(session uuid) returns void language sql
  as $$ insert into public.seen select session $$;
grant execute on function auth.after_sign_in(uuid) to auth_owner;
"""


async def test_hooks_change_a_user_and_add_claims(connection: Connection, new: Visitor) -> None:
    await connection.execute(HOOK.format("null").replace("%%", "%"))
    await new.call(REGISTER, NEW, PASSWORD, "{}")
    sent = await mail(connection, NEW)
    assert (await new.call(VERIFY, sent.request, sent.link)).status == 204
    answer = await new.login("chosen", PASSWORD)

    assert (answer.claims["plan"], answer.claims["role"]) == ("gold", "basic_subscriber")
    assert str(await connection.fetchval("select session from public.seen")) == answer.claims["sid"]
    assert (await new.refresh()).claims["plan"] == "gold"


async def test_an_error_of_a_hook_is_the_response_and_leaves_no_user(
    connection: Connection, new: Visitor
) -> None:
    await connection.execute(HOOK.format("null").replace("%%", "%"))
    before = await connection.fetchval(USERS)
    await new.call(REGISTER, "new@example.org", PASSWORD, "{}")
    sent = await mail(connection, "new@example.org")
    answer = await new.call(VERIFY, sent.request, sent.link)

    assert (answer.status, answer.message) == (422, "not you")
    assert await connection.fetchval(USERS) == before
    assert await connection.fetchval("select used_at from auth.one_time_code") is None


async def test_a_hook_cannot_give_a_role_that_no_user_may_have(connection: Connection, new: Visitor) -> None:
    await connection.execute(HOOK.format('"gateway"').replace("%%", "%"))
    await new.call(REGISTER, NEW, PASSWORD, "{}")
    sent = await mail(connection, NEW)

    assert (await new.call(VERIFY, sent.request, sent.link)).sqlstate == "23503"


# --- invitations


@pytest.fixture
async def inviter(connection: Connection) -> Visitor:
    await connection.execute(
        "update auth.registration set mode = 'invited';"
        "create role author nologin;"
        "insert into auth.invitation_right values ('basic_subscriber', 'author')"
    )
    visitor = client(connection)
    visitor.cookies["refresh_token"] = await start_session(connection)
    return visitor


async def test_an_invited_user_chooses_the_password(connection: Connection, inviter: Visitor) -> None:
    assert (await inviter.call(INVITE, NEW, "author")).status == 202
    sent = await mail(connection, NEW)
    assert sent.purpose == "invitation"
    guest = client(connection)
    assert (await guest.call(ACCEPT, sent.request, sent.link, PASSWORD)).status == 204
    assert (await guest.call(ACCEPT, sent.request, sent.link, PASSWORD)).status == 401

    assert (await guest.login(NEW, PASSWORD)).claims["role"] == "author"


@pytest.mark.parametrize("role", ["basic_subscriber", "gateway", "postgres", "none", None])
async def test_a_role_without_a_right_is_not_given(inviter: Visitor, role: str | None) -> None:
    assert (await inviter.call(INVITE, NEW, role)).status == 403


WITHDRAWN = {
    "the right is gone": "delete from auth.invitation_right",
    "the inviter is gone": "delete from auth.user where username = 'demo'",
    "the inviter is disabled": "update auth.user set disabled_at = now()",
    "the mode is closed": "update auth.registration set mode = 'closed'",
    "the role is powerful": "grant pg_read_all_data to author",
    "another user has the address": (
        "update auth.user set email = 'new@example.com', email_verified_at = now()"
    ),
}


@pytest.mark.parametrize("change", WITHDRAWN)
async def test_an_invitation_is_judged_again_when_it_is_accepted(
    connection: Connection, inviter: Visitor, change: str
) -> None:
    await inviter.call(INVITE, NEW, "author")
    sent = await mail(connection, NEW)
    await connection.execute(WITHDRAWN[change])

    assert (await client(connection).call(ACCEPT, sent.request, sent.link, PASSWORD)).status == 401


async def test_a_user_invites_twenty_a_day(connection: Connection, inviter: Visitor) -> None:
    await connection.execute("update auth.setting set value = 2 where name = 'invitations_per_day'")
    statuses = [(await inviter.call(INVITE, f"a{n}@example.com", "author")).status for n in range(3)]

    assert statuses == [202, 202, 429]


async def test_nobody_invites_without_a_session(connection: Connection, inviter: Visitor) -> None:
    assert (await client(connection).call(INVITE, NEW, "author")).status == 401
