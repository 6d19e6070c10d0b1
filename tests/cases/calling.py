"""Auth functions with a real database behind them: how the faults of sign-ins call and judge them."""

import json
from dataclasses import replace

from harness.relay.answers import Answer
from harness.relay.client import Client
from harness.relay.deadlines import wait_until
from harness.relay.lane import Lane

from app.devstack import Database
from cases.cases import expand, load
from cases.conftest import ALLOWED_ORIGIN
from cases.faults_sessions import JSON, call, claims_of, cookies_of, status_with
from cases.stage import Stage, check_own_answer

INVALID_CREDENTIALS = "Invalid user or password"
LIVE = "auth.session where ended_at is null"
INVALID_TOKEN = "Invalid or expired refresh token"
NEVER_SAID = ("Traceback", "asyncpg", "auth_private", "insert into", "pg_")
_LATER = """
update auth.session
   set created_at = created_at - step, last_seen_at = last_seen_at - step, expires_at = expires_at - step,
       ended_at = ended_at - step
  from (select make_interval(secs => {0})) as passed (step);
update auth.refresh_token
   set issued_at = issued_at - step, expires_at = expires_at - step, replaced_at = replaced_at - step
  from (select make_interval(secs => {0})) as passed (step);
update auth_private.ended_session
   set until = until - step
  from (select make_interval(secs => {0})) as passed (step);
"""


def calling_lane(stage: Stage, **settings: object) -> tuple[Lane, Database]:
    """A lane that trusts the origin of the requests as they are written, and its database."""
    database: Database = stage.fixture("database")
    fixed = {"database_url": database.gateway_dsn, "trusted_origins": ALLOWED_ORIGIN}
    return stage.lane_with(**fixed, **settings), database


def as_written(case: str, **values: str) -> bytes:
    [request] = [row["request"] for row in load() if row["id"] == case]
    return expand(request, **values).encode("latin-1")


def ask_as_written(lane: Lane, case: str, **values: str) -> Answer:
    client = lane.client()
    client.send(as_written(case, **values))
    return client.answer("POST")


def login(
    lane: Lane, user: str, password: str, *fields: str, by: Client | None = None, address: str = "127.0.0.1"
) -> Answer:
    body = json.dumps({"user_": user, "pass": password}).encode()
    client = by or lane.client(address=address)
    return client.ask("POST", "/rpc/login", (JSON, *fields), body=body, token=None)


def login_with(lane: Lane, body: bytes, media: str = "application/json") -> Answer:
    return call(lane, "login", f"Content-Type: {media}", body=body)


def refresh(lane: Lane, token: str, *fields: str) -> Answer:
    return call(lane, "refresh_token", f"Cookie: refresh_token={token}", *fields, body=b"")


def refresh_token_of(answer: Answer) -> str:
    assert answer.status == 204
    return cookies_of(answer)["refresh_token"][0]


def access_token_of(answer: Answer) -> str:
    assert answer.status == 204
    return cookies_of(answer)["access_token"][0]


def claim(answer: Answer, name: str) -> str:
    return str(claims_of(access_token_of(answer))[name])


def check_refused(got: Answer, status: int, code: str, *unsaid: str) -> None:
    """An answer in the four keys, without a cookie, and without what the client or the server knows."""
    check_own_answer(got, status)
    assert json.loads(got.body)["code"] == code, got.body
    assert not got.head.values(b"set-cookie")
    said = (got.head.raw + got.body).replace(got.head.value(b"x-request-id"), b"").lower()
    for text in (*NEVER_SAID, *unsaid):
        assert text.lower().encode() not in said, text


def check_clears(got: Answer) -> None:
    """Both cookies are deleted, in both spellings, under every path that they may have been set with."""
    written = [value.decode() for value in got.head.values(b"set-cookie")]
    assert (
        sorted(cookie.partition(";")[0] for cookie in written)
        == ["__Host-access_token=", "__Host-refresh_token="] + ["access_token="] * 3 + ["refresh_token="] * 3
    )
    assert all("Max-Age=0" in cookie for cookie in written)


def check_over(got: Answer) -> None:
    """No token of an ended session brings anything to life; who came late is answered without a body."""
    assert got.status == 401
    assert all(b"=;" in cookie and b"Max-Age=0" in cookie for cookie in got.head.values(b"set-cookie"))


def wait_for_the_news(lane: Lane, access: str) -> None:
    cookie = f"access_token={access}"
    with lane.upstream.serving():
        wait_until(lambda: status_with(lane, cookie) == 401, "the end of the session to be known")


def check_untouched(lane: Lane) -> None:
    """Nothing of it reached PostgREST."""
    assert lane.upstream.nobody_knocks
    assert not lane.upstream.ends


def count(database: Database, what: str) -> int:
    found: int = database.fetch(f"select count(*) from {what}")[0][0]  # noqa: S608 (of the tests' own)
    return found


def pass_time(database: Database, seconds: float) -> None:
    """Let so many seconds pass for all that the database remembers of sessions."""
    database.execute(_LATER.format(seconds))


def without_fields_of_the_moment(got: Answer) -> Answer:
    """As it would be at another time and for another request."""
    kept = tuple(field for field in got.head.fields if field[0].lower() not in {b"date", b"x-request-id"})
    return replace(got, head=replace(got.head, fields=kept, raw=b""))
