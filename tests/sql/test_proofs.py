"""Claims count if they prove that they are an access token's: any login may set `request.jwt.claims`."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg
import pytest

from app.devstack import Database

from .test_account import ACCOUNT, SESSIONS, is_refused
from .visitors import SETTINGS, Connection, Visitor, age, live_sessions, start_session

pytestmark = pytest.mark.anyio

ROLE = "basic_subscriber"


def without_proof(claims: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name != "jti"}


GUESSES: dict[str, Any] = {
    "none": None,
    "empty": "",
    "a number": 7,
    "an object": {},
    "a UUID": "0b8f8a3e-3c6a-4d7e-9b43-0d6f4a0f2c11",
    "zeros": "A" * 43,
    "null in text": "null",
    "a dot": ".",
}


@pytest.fixture
async def gateway(own: Database) -> AsyncIterator[Connection]:
    """The gateway's own login: it may become anon, and set what it likes."""
    connection: Connection = await asyncpg.connect(own.gateway_dsn)
    yield connection
    await connection.close()


@pytest.mark.parametrize("name", ACCOUNT)
@pytest.mark.parametrize("guess", GUESSES)
async def test_the_gateways_login_with_a_session_id_from_the_log_learns_and_ends_nothing(
    owner: Connection, gateway: Connection, name: str, guess: str
) -> None:
    claims = (await Visitor(owner).login()).claims
    forged = {**without_proof(claims), "role": "anon"}
    if guess != "none":
        forged["jti"] = GUESSES[guess]
    intruder = Visitor(gateway, settings={**SETTINGS, "app.settings.client_address": "192.0.2.1"})

    assert is_refused(await intruder.call(ACCOUNT[name], claims=forged))
    assert (await intruder.call("auth.logout()", claims=forged)).status == 204
    assert await live_sessions(owner) == 1


@pytest.mark.parametrize("name", ACCOUNT)
async def test_the_claims_of_a_token_count(connection: Connection, visitor: Visitor, name: str) -> None:
    claims = (await visitor.login()).claims
    answer = await Visitor(connection).call(ACCOUNT[name], claims=claims)

    assert answer.status == (404 if name == "end_session" else 204)


async def test_a_proof_fits_its_own_session_alone(connection: Connection, visitor: Visitor) -> None:
    mine, other = (await visitor.login()).claims, (await Visitor(connection).login()).claims
    for mixed in ({**mine, "jti": other["jti"]}, {**other, "sid": mine["sid"]}):
        assert is_refused(await Visitor(connection).call(SESSIONS, claims=mixed))


async def test_the_token_before_a_renewal_is_good_until_it_expires(
    connection: Connection, visitor: Visitor
) -> None:
    first = (await visitor.login()).claims
    await age(connection, 300)
    second = (await visitor.refresh()).claims
    assert first["jti"] != second["jti"]
    for claims in (first, second):
        assert (await Visitor(connection).call(SESSIONS, claims=claims)).status == 204

    await age(connection, 300 + 60 + 60)  # its life, the grace window, and a minute for clocks
    assert is_refused(await Visitor(connection).call(SESSIONS, claims=first))
    assert (await Visitor(connection).call(SESSIONS, claims=second)).status == 204


async def test_every_token_of_one_successor_is_good_and_has_an_id_of_its_own(
    connection: Connection, visitor: Visitor
) -> None:
    await visitor.login()
    tabs = [visitor.same_client() for _ in range(3)]
    claims = []
    for tab in tabs:
        claims.append((await tab.refresh()).claims)
        await age(connection, 15)

    assert len({one["jti"] for one in claims}) == 3
    for one in claims:
        assert (await Visitor(connection).call(SESSIONS, claims=one)).status == 204


async def test_pruning_takes_no_proof_of_a_token_that_is_good(
    connection: Connection, visitor: Visitor
) -> None:
    await visitor.login()
    await age(connection, 719 * 3600)
    claims = (await visitor.refresh()).claims
    await age(connection, 599)
    await connection.execute("select auth_private.prune_sessions(), auth_private.prune_refresh_tokens()")

    assert (await Visitor(connection).call(SESSIONS, claims=claims)).status == 204


async def test_a_reader_of_all_tables_can_make_no_proof(connection: Connection, visitor: Visitor) -> None:
    claims = (await visitor.login()).claims
    (row,) = await connection.fetch("select digest, salt, proof from auth.refresh_token")
    for known in (row["digest"], row["salt"], row["proof"], hashlib.sha256(row["proof"]).digest()):
        text = base64.urlsafe_b64encode(known).rstrip(b"=").decode()
        for jti in (text, f"{text}.x", known.hex(), f"\\x{known.hex()}"):
            assert is_refused(await Visitor(connection).call(SESSIONS, claims={**claims, "jti": jti}))
    stored = [row[0] for row in await connection.fetch(EVERYTHING)]
    proof = claims["jti"].partition(".")[0]
    assert not any(proof in text for text in stored)


EVERYTHING = """
select s::text from auth.session as s union all
select encode(t.digest, 'escape') || encode(t.salt, 'escape') || encode(t.proof, 'escape')
  from auth.refresh_token as t union all
select e::text from auth.event as e union all
select u::text from auth.user as u
"""


async def test_the_proof_is_of_256_bits_and_nothing_follows_from_it(
    connection: Connection, visitor: Visitor
) -> None:
    claims = (await visitor.login()).claims
    proof = claims["jti"].partition(".")[0]
    assert len(base64.urlsafe_b64decode(proof + "=")) == 32
    thief = Visitor(connection, {"refresh_token": proof})

    assert (await thief.refresh()).status == 401
    assert is_refused(await thief.call(SESSIONS))
    successor = await connection.fetchval(
        "select auth_private.token_successor($1, salt) from auth.refresh_token",
        visitor.cookies["refresh_token"],
    )
    assert successor != proof


async def test_a_session_without_a_minted_token_has_no_proof(connection: Connection) -> None:
    """As the guide for moving from another system inserts them."""
    await start_session(connection)
    await connection.execute("update auth.refresh_token set proof = null")
    sid = await connection.fetchval("select id::text from auth.session")
    for jti in (None, "", "null"):
        answer = await Visitor(connection).call(SESSIONS, claims={"sid": sid, "jti": jti})
        assert is_refused(answer)


async def test_odd_claims_are_refused_without_an_error(connection: Connection) -> None:
    await start_session(connection)
    sid = await connection.fetchval("select id::text from auth.session")
    for jti in ("\u0001", "\ud7ff", "x" * 100_000, "." * 1000, ["a"], True):
        answer = await Visitor(connection).call(
            SESSIONS, claims=json.loads(json.dumps({"sid": sid, "jti": jti}))
        )
        assert is_refused(answer)
