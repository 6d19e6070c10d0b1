"""Sessions that end, or whose user changes, while somebody goes on with them."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from harness.relay.answers import Answer
from harness.relay.lane import Lane
from harness.relay.tokens import EXPIRED

from app.devstack import Database
from cases.calling import (
    LIVE,
    access_token_of,
    calling_lane,
    check_clears,
    check_over,
    check_refused,
    check_untouched,
    claim,
    count,
    refresh,
    refresh_token_of,
    wait_for_the_news,
)
from cases.faults_sessions import call, sign_in, status_with
from cases.stage import Stage, fault


@fault("F47")
def a_logout_in_every_state(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    for cookies in (
        "refresh_token={}",
        f"access_token={EXPIRED}; refresh_token={{}}",
        "refresh_token={}; x=y",
    ):
        token = refresh_token_of(sign_in(lane))
        for _ in range(2):
            got = call(lane, "logout", "Cookie: " + cookies.format(token))
            assert got.status == 204
            check_clears(got)
        check_over(refresh(lane, token))
    for fields in ((), (f"Cookie: access_token={EXPIRED}",), ("Cookie: refresh_token=unknown",)):
        got = call(lane, "logout", *fields)
        assert got.status == 204
        check_clears(got)
    for _ in range(10):
        check_race(lane, database)
    check_untouched(lane)


def check_race(lane: Lane, database: Database) -> None:
    """A logout and a refresh at once: whoever comes first, nothing lives on."""
    token, start = refresh_token_of(sign_in(lane)), Barrier(2)

    def at_once(function: str) -> Answer:
        client = lane.client()
        start.wait()
        fields = [f"Cookie: refresh_token={token}"]
        return client.ask("POST", f"/rpc/{function}", fields, body=b"", token=None)

    with ThreadPoolExecutor(2) as threads:
        left, renewed = threads.map(at_once, ("logout", "refresh_token"))
    assert left.status == 204
    check_clears(left)
    assert renewed.status in {204, 401}
    for each in {token, refresh_token_of(renewed) if renewed.status == 204 else token}:
        check_over(refresh(lane, each))
    assert count(database, LIVE) == 0


@fault("F48")
def a_logout_on_one_of_two_devices(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    here, there = sign_in(lane), sign_in(lane)
    assert call(lane, "logout", f"Cookie: refresh_token={refresh_token_of(here)}").status == 204
    check_over(refresh(lane, refresh_token_of(here)))
    check_untouched(lane)
    wait_for_the_news(lane, access_token_of(here))
    with lane.upstream.serving():
        assert status_with(lane, f"access_token={access_token_of(there)}") == 200
    renewed = refresh(lane, refresh_token_of(there))
    assert claim(renewed, "sid") == claim(there, "sid") != claim(here, "sid")
    assert count(database, LIVE) == 1


@fault("F52")
def a_role_that_changes_under_a_session(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    signed_in = sign_in(lane)
    assert claim(signed_in, "role") == "basic_subscriber"
    database.execute("update auth.user set role = 'signed_in' where username = 'demo'")
    renewed = refresh(lane, refresh_token_of(signed_in))
    again = refresh(lane, refresh_token_of(signed_in))
    assert [claim(answer, "role") for answer in (renewed, again)] == ["signed_in"] * 2
    with lane.upstream.serving():
        assert status_with(lane, f"access_token={access_token_of(renewed)}") == 200
    [received] = lane.upstream.requests
    assert received.head.value(b"authorization") == f"Bearer {access_token_of(renewed)}".encode()
    database.execute("alter table auth.user disable trigger user_200_role")
    database.execute("update auth.user set role = 'postgres' where username = 'demo'")
    check_refused(refresh(lane, refresh_token_of(renewed)), 401, "PT401", "postgres")
