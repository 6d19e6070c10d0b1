"""Faults around the session's two cookies and the keys that sign, with auth functions in a real database."""

import json
import re
import time
from base64 import urlsafe_b64decode

from harness.relay.answers import Answer
from harness.relay.lane import Lane
from harness.relay.tokens import KEY, OTHER_KEY, VALID, base64url, mint

from app.devstack import Database
from cases.stage import Stage, fault

JSON = "Content-Type: application/json"


def lane_with_database(stage: Stage, **settings: str) -> tuple[Lane, Database]:
    database: Database = stage.fixture("database")
    return stage.lane_with(database_url=database.gateway_dsn, **settings), database


def sign_in(lane: Lane) -> Answer:
    answer = call(lane, "login", JSON, body=b'{"user_":"demo","pass":"demo"}')
    assert answer.status == 204
    return answer


def call(lane: Lane, function: str, *fields: str, body: bytes = b"{}") -> Answer:
    return lane.client().ask("POST", f"/rpc/{function}", fields, body=body, token=None)


def cookies_of(answer: Answer) -> dict[str, tuple[str, list[str]]]:
    """Each cookie's value and attributes, by its name; without those that an earlier path is cleared of."""
    found = {}
    for field in answer.head.values(b"set-cookie"):
        pair, *attributes = field.decode().split("; ")
        name, _, value = pair.partition("=")
        if not value and "Path=/" not in attributes:
            continue
        assert name not in found
        found[name] = value, sorted(attributes)
    return found


def age_of(attributes: list[str]) -> int:
    [age] = [
        attribute.removeprefix("Max-Age=") for attribute in attributes if attribute.startswith("Max-Age=")
    ]
    return int(age)


def claims_of(token: str) -> dict[str, int]:
    claims: dict[str, int] = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    return claims


def status_with(lane: Lane, *cookies: str) -> int:
    fields = [f"Cookie: {'; '.join(cookies)}"]
    return lane.client().ask("GET", "/rest/items", fields, token=None).status


@fault("E04")
def cookies_with_and_without_the_prefix(stage: Stage) -> None:
    for prefix, settings in (
        ("", {"cookie_secure": "always", "cookie_prefix": "none"}),
        ("__Host-", {"cookie_secure": "always"}),
        ("__Host-", {"cookie_prefix": "host"}),
    ):
        lane, _ = lane_with_database(stage, **settings)
        written = cookies_of(sign_in(lane))
        assert written.keys() == {f"{prefix}access_token", f"{prefix}refresh_token"}
        for _, attributes in written.values():
            kinds = [re.sub("Max-Age=.*", "Max-Age", attribute) for attribute in attributes]
            assert kinds == ["HttpOnly", "Max-Age", "Path=/", "SameSite=Lax", "Secure"]
        token, _ = written[f"{prefix}access_token"]
        with lane.upstream.serving():
            assert status_with(lane, f"{prefix}access_token={token}") == 200
            assert status_with(lane, "access_token=x") == 401
        assert [received.head.names & {b"cookie"} for received in lane.upstream.requests] == [set()]


@fault("E20")
def an_access_token_used_as_a_refresh_token(stage: Stage) -> None:
    lane, database = lane_with_database(stage)
    written = cookies_of(sign_in(lane))
    count = "select count(*) as sessions, count(ended_at) as ended from auth.session"
    before = database.fetch(count), database.fetch("select count(*) as tokens from auth.refresh_token")
    for token in (written["access_token"][0], VALID):
        answer = call(lane, "refresh_token", f"Cookie: refresh_token={token}")
        assert (answer.status, cookies_of(answer)) == (401, {})
        assert status_with(lane, f"refresh_token={token}") == 401  # nor is a request renewed by it
    assert status_with(lane, f"access_token={written['refresh_token'][0]}") == 401
    assert before == (
        database.fetch(count),
        database.fetch("select count(*) as tokens from auth.refresh_token"),
    )


@fault("E24")
def cookies_live_as_long_as_what_they_hold(stage: Stage) -> None:
    lane, database = lane_with_database(stage)
    signed_in = cookies_of(sign_in(lane))
    renewed = cookies_of(
        call(lane, "refresh_token", f"Cookie: refresh_token={signed_in['refresh_token'][0]}")
    )
    for written in (signed_in, renewed):
        token, attributes = written["access_token"]
        claims = claims_of(token)
        assert 0 < age_of(attributes) <= claims["exp"] - claims["iat"]
        [row] = database.fetch(
            "select extract(epoch from max(t.expires_at))::float8 as token,"
            " extract(epoch from max(s.expires_at))::float8 as session"
            " from auth.refresh_token as t join auth.session as s on s.id = t.family"
        )
        assert time.time() + age_of(written["refresh_token"][1]) <= row["token"] + 2
        assert row["token"] <= row["session"]
    refresh = renewed["refresh_token"][0]
    assert call(lane, "logout", f"Cookie: refresh_token={refresh}").status == 204
    assert call(lane, "refresh_token", f"Cookie: refresh_token={refresh}").status == 401


@fault("G42")
def a_secret_is_rotated(stage: Stage) -> None:
    """A gateway reads its secret when it starts: so each step is another gateway."""
    old, new = mint(key=OTHER_KEY), mint(key=KEY)
    ring = [{"kty": "oct", "k": base64url(key)} for key in (KEY, OTHER_KEY)]
    both = stage.lane_with(jwt_secret=json.dumps({"keys": ring}))
    with both.upstream.serving():
        kept = [both.client() for _ in range(5)]
        for number in range(200):  # again and again, on connections and with tokens that are remembered
            token = (old, new, mint(key=OTHER_KEY, sub=f"u{number}"))[number % 3]
            assert kept[number % 5].ask("GET", "/rest/items", token=token).status == 200
    alone = stage.lane_with(jwt_secret=json.dumps({"keys": ring[:1]}))
    with alone.upstream.serving():
        kept = [alone.client() for _ in range(2)]
        for client in kept:
            for _ in range(3):
                assert client.ask("GET", "/rest/items", token=old).status == 401
                assert client.ask("GET", "/rest/items", token=new).status == 200
