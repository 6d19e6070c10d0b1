"""Functions for the caller's own account: counted by session and account, and free to give a new session."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.relay.answers import Answer
from harness.relay.deadlines import wait_until
from harness.site.client import Field, ask
from harness.site.gateways import StartGateway
from harness.site.roads import AUTH, Roads, cookie, cookies_of, post, roads

from app.devstack import DevStack

RIGHT = {"old": "right", "new": "x"}
WRONG = {"old": "wrong", "new": "x"}


@pytest.fixture(scope="module")
def own(stack: DevStack, start_gateway: StartGateway) -> Iterator[Roads]:
    settings = {"change_limit_address": "off", "call_limit_address": "off", "login_limit_address": "off"}
    with roads(stack, start_gateway, "own_sessions", ("api",), **settings) as own:
        yield own


def login(own: Roads, name: str = "demo") -> dict[str, str]:
    reply = post(own.gateway.url, "/rpc/login", {"user_": name, "pass": "x"})
    assert reply.status == 204
    return cookies_of(reply)


def change(own: Roads, body: dict[str, str], *fields: Field, url: str = "") -> Answer:
    return post(url or own.gateway.url, "/rpc/change_password", body, AUTH, *fields)


def reads(own: Roads, **cookies: str) -> int:
    return ask(own.gateway.url, "GET", "/rest/note", [cookie(**cookies)]).status


class TestANewSession:
    """The function sets new cookies: the caller goes on with them, and a copy of the old ones is dead."""

    def test_the_new_cookies_are_hardened_and_nothing_says_that_the_caller_signed_out(
        self, own: Roads
    ) -> None:
        reply = change(own, RIGHT, cookie(**login(own)))
        assert reply.status == 204
        values = reply.head.values(b"set-cookie")
        assert len(values) == 2
        for value in values:
            assert b"; HttpOnly" in value
            assert b"; SameSite=Lax" in value
            assert b"Max-Age=0" not in value
        assert not reply.head.values(b"clear-site-data")
        assert reply.head.value(b"cache-control") == b"no-store"
        assert reads(own, **cookies_of(reply)) == 200

    def test_the_old_tokens_are_refused_at_once(self, own: Roads) -> None:
        old = login(own)
        assert reads(own, **old) == 200
        assert reads(own, access_token=old["access_token"]) == 200
        assert change(own, RIGHT, cookie(**old)).status == 204
        assert reads(own, access_token=old["access_token"]) == 401
        assert reads(own, refresh_token=old["refresh_token"]) == 401
        assert reads(own, **old) == 401

    def test_another_session_of_the_account_goes_on(self, own: Roads) -> None:
        other = login(own)
        assert change(own, RIGHT, cookie(**login(own))).status == 204
        assert reads(own, **other) == 200

    def test_a_refused_change_leaves_the_session(self, own: Roads) -> None:
        held = login(own)
        assert change(own, WRONG, cookie(**held)).status == 401
        assert reads(own, **held) == 200
        assert reads(own, refresh_token=held["refresh_token"]) == 200

    @pytest.mark.parametrize("function", ["change_password", "logout", "login"])
    def test_a_renewal_under_way_brings_no_cookies_of_the_session_before(
        self, own: Roads, function: str
    ) -> None:
        """They would replace the new ones in the browser."""
        old = login(own, "slow")
        spent = cookie(refresh_token=old["refresh_token"])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(ask, own.gateway.url, "GET", "/rest/note", [spent])
            asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
            wait_until(lambda: own.database.fetch(asleep)[0][0] == 1, "the renewal to be under way")
            body = {"change_password": RIGHT, "login": {"user_": "demo", "pass": "x"}}.get(function, {})
            assert post(own.gateway.url, f"/rpc/{function}", body, AUTH, cookie(**old)).status == 204
            answer = waiting.result()
        assert answer.status == 401
        assert not answer.head.values(b"set-cookie")


class TestASpentAccessCookie:
    """The session is renewed before the function is called, so that its account is known."""

    def test_the_function_sees_the_session_and_its_new_cookies(self, own: Roads) -> None:
        held = login(own)
        own.database.execute("truncate auth.call")
        reply = change(own, RIGHT, cookie(theme="dark", refresh_token=held["refresh_token"]))
        assert reply.status == 204
        ((seen, sid, before),) = own.database.fetch(
            "select cookies::text, claims ->> 'sid', (cookies ->> 'refresh_token')::uuid from auth.call"
        )
        assert '"theme":"dark"' in seen
        assert sid is not None
        assert str(before) not in {held["refresh_token"], cookies_of(reply)["refresh_token"]}

    def test_the_response_of_a_refusal_brings_the_new_cookies(self, own: Roads) -> None:
        held = login(own)
        reply = change(own, WRONG, cookie(refresh_token=held["refresh_token"]))
        assert reply.status == 401
        renewed = cookies_of(reply)
        assert set(renewed) == {"access_token", "refresh_token"}
        assert renewed["refresh_token"] != held["refresh_token"]
        assert reads(own, **renewed) == 200

    def test_a_function_that_sets_cookies_sets_them_once(self, own: Roads) -> None:
        held = login(own)
        reply = change(own, RIGHT, cookie(refresh_token=held["refresh_token"]))
        assert reply.status == 204
        assert reads(own, **cookies_of(reply)) == 200

    def test_a_limit_that_is_reached_does_not_lose_the_new_cookies(self, own: Roads) -> None:
        held = login(own)
        token = held["refresh_token"]
        for status in (401, 401, 401, 401, 401, 429):
            reply = change(own, WRONG, cookie(refresh_token=token))
            assert reply.status == status
            token = cookies_of(reply)["refresh_token"]
        assert reads(own, refresh_token=token) == 200

    def test_a_thief_of_a_refresh_cookie_cannot_begin_to_count_anew(
        self, own: Roads, start_gateway: StartGateway
    ) -> None:
        """Neither by renewing it, nor with other sessions of the account."""
        with start_gateway(own.environ) as gateway:
            statuses = []
            for _ in range(4):
                token = login(own, "victim")["refresh_token"]
                for _ in range(4):
                    reply = change(own, WRONG, cookie(refresh_token=token), url=gateway.url)
                    statuses.append(reply.status)
                    token = cookies_of(reply)["refresh_token"]
        assert statuses.count(401) == 10
        assert set(statuses[10:]) == {429}

    def test_a_dead_refresh_cookie_is_refused_by_the_function(self, own: Roads) -> None:
        assert change(own, RIGHT, cookie(refresh_token="dead")).status == 401
        assert change(own, RIGHT).status == 401

    def test_where_the_gateway_does_not_renew_the_client_has_to(
        self, own: Roads, start_gateway: StartGateway
    ) -> None:
        with start_gateway(own.environ, renewal="false") as gateway:
            held = login(own)
            reply = change(own, RIGHT, cookie(refresh_token=held["refresh_token"]), url=gateway.url)
            assert (reply.status, b"GW200" in reply.body) == (401, True)
            assert change(own, RIGHT, cookie(**held), url=gateway.url).status == 204
