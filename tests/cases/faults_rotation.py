"""Refresh tokens used twice, late, at once, by a thief or after a logout: one chain, and one end of it."""

import json

from harness.relay.client import request
from harness.relay.deadlines import wait_until
from harness.relay.lane import Lane

from cases.calling import (
    INVALID_TOKEN,
    LIVE,
    access_token_of,
    ask_as_written,
    calling_lane,
    check_clears,
    check_over,
    check_refused,
    check_untouched,
    claim,
    count,
    login,
    pass_time,
    refresh,
    refresh_token_of,
    wait_for_the_news,
)
from cases.faults_sessions import JSON, call, sign_in
from cases.stage import Stage, fault, hung_up

GRACE_SECONDS = 60
UNUSED = "auth.refresh_token where replaced_at is null"


def refreshing(token: str, *fields: str) -> bytes:
    """The head of a refresh."""
    return request("POST", "/rpc/refresh_token", [f"Cookie: refresh_token={token}", *fields], token=None)


@fault("F25")
def a_refresh_with_and_without_a_body(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    token = refresh_token_of(sign_in(lane))
    token = refresh_token_of(ask_as_written(lane, "F25", RT=token))
    without: list[str] = []
    for fields, body in (
        (without, b""),
        (["Content-Length: 0", "Expect: 100-continue"], b""),
        (["Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        ([JSON, "Content-Length: 2"], b"{}"),
        (["Content-Length: 2"], b"[]"),
    ):
        client = lane.client()
        client.send(refreshing(token, *fields) + body)
        token = refresh_token_of(client.answer("POST"))
    client = lane.client()
    client.send(refreshing(token, "Content-Length: 2", "Expect: 100-continue"))
    reader = client.answering("POST")
    assert reader.interim().status == 100
    client.send(b"{}")
    assert reader.whole().status == 204
    check_refused(ask_as_written(lane, "F25"), 401, "PT401")
    assert count(database, LIVE) == 1
    check_untouched(lane)


@fault("F34")
def a_login_with_cookies_that_were_planted(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    signed_in = ask_as_written(lane, "F34")
    assert claim(signed_in, "username") == "demo"
    assert refresh_token_of(signed_in) != "attacker-chosen"
    check_refused(refresh(lane, "attacker-chosen"), 401, "PT401", "chosen")
    planted = login(lane, "alice", "alice")
    cookies = f"refresh_token={refresh_token_of(planted)}; access_token={access_token_of(planted)}"
    own = login(lane, "demo", "demo", f"Cookie: {cookies}")
    assert (claim(own, "username"), claim(own, "sid") == claim(planted, "sid")) == ("demo", False)
    check_over(refresh(lane, refresh_token_of(planted)))
    assert claim(refresh(lane, refresh_token_of(own)), "username") == "demo"
    ended = (
        "auth.session as s join auth.user as u on u.id = s.user_id where s.ended_reason = 'signed_in_again'"
    )
    assert count(database, f"{ended} and u.username = 'alice'") == 1
    check_untouched(lane)
    wait_for_the_news(lane, access_token_of(planted))


@fault("F40")
def a_refresh_without_a_cookie(stage: Stage) -> None:
    """Again after a call that set everything on the same connection of the pool."""
    lane, _ = calling_lane(stage, database_connections=2, password_checks=1)
    check_refused(ask_as_written(lane, "F40"), 401, "PT401")
    refresh_token_of(refresh(lane, refresh_token_of(sign_in(lane))))
    for fields in ((), ("Cookie: other=1",), ("Cookie: refresh_token=",), ("Cookie: ",), ("Cookie: ;;=;",)):
        got = call(lane, "refresh_token", *fields, body=b"")
        check_refused(got, 401, "PT401")
        assert json.loads(got.body)["message"] == INVALID_TOKEN
    check_refused(ask_as_written(lane, "F40"), 401, "PT401")
    check_untouched(lane)


@fault("F41")
def a_refresh_token_of_any_shape(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    check_refused(ask_as_written(lane, "F41"), 401, "PT401")
    token = refresh_token_of(sign_in(lane))
    for value in (
        '"}', '\\"', '","refresh_token":"' + token, "{}", "null", "%00", "\\u0000", "' or 1=1 --", "\xe9",
        "00000000-0000-0000-0000-000000000000", f'"{token}"', f"{token}=", token[:-1], token.swapcase(),
        "a" * 40_000,
    ):  # fmt: skip
        unsaid = [value[:200]] if len(value) > len("null") else []
        check_refused(refresh(lane, value), 401, "PT401", *unsaid)
    assert status_of_a_megabyte(lane) == 431
    assert count(database, LIVE) == 1
    assert refresh(lane, token).status == 204
    check_untouched(lane)


def status_of_a_megabyte(lane: Lane) -> int:
    client = lane.client()
    with hung_up():
        client.send(refreshing("a" * 1_000_000, "Content-Length: 0"))
    return client.answer("POST").status


@fault("F42")
def a_token_used_again_after_the_grace_window(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    signed_in, other = sign_in(lane), sign_in(lane)
    first = refresh_token_of(signed_in)
    renewed = refresh(lane, first)
    assert refresh_token_of(renewed) != first
    pass_time(database, GRACE_SECONDS + 1)
    replayed = refresh(lane, first)
    assert replayed.status == 401
    check_clears(replayed)
    for token in (refresh_token_of(renewed), first):
        check_over(refresh(lane, token))
    check_untouched(lane)
    for answer in (signed_in, renewed):
        wait_for_the_news(lane, access_token_of(answer))
    assert count(database, "auth.session where ended_reason = 'refresh_replayed'") == 1
    assert refresh(lane, refresh_token_of(other)).status == 204


@fault("F44")
def an_answer_that_never_arrives(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    token = refresh_token_of(sign_in(lane))
    client = lane.client()
    client.send(refreshing(token, "Content-Length: 0"))
    wait_until(lambda: count(database, "auth.refresh_token") == 2, "the commit")
    client.reset()
    pass_time(database, 10)
    successors = {refresh_token_of(refresh(lane, token)) for _ in range(3)}
    assert len(successors) == 1
    assert (count(database, LIVE), count(database, UNUSED)) == (1, 1)
    assert refresh(lane, *successors).status == 204
    check_untouched(lane)


@fault("F45")
def a_token_used_again_and_again(stage: Stage) -> None:
    """Every 9 s for 10 minutes of the database's time."""
    lane, database = calling_lane(stage)
    token = refresh_token_of(sign_in(lane))
    successors = {refresh_token_of(refresh(lane, token))}
    for seconds in range(9, 600, 9):
        pass_time(database, 9)
        got = refresh(lane, token)
        if seconds < GRACE_SECONDS:
            successors.add(refresh_token_of(got))
            assert count(database, UNUSED) == 1
        else:
            check_over(got)
    assert len(successors) == 1
    check_over(refresh(lane, *successors))
    assert count(database, LIVE) == 0
    check_untouched(lane)
