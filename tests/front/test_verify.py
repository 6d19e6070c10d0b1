"""GET /auth/verify: what it answers a proxy that asks, however the proxy asks."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from core.builders import gateway, mint
from fastapi import FastAPI

from app.core.requests import Admitted, Renewed, Request
from app.errors import DatabaseUnavailable
from app.events import Event, InternalFailure, RequestRejected, RequestVerified, SessionRenewed
from app.routes.verify import Settle, verify_routes

pytestmark = pytest.mark.anyio

PROXY = "10.0.0.1"  # one that is trusted to say where a request comes from
RULES = gateway(login_url=b"/sign-in", renews=True)
IDENTITY = ["Authorization", "X-Auth-Subject", "X-Auth-Role", "Cookie"]
CROSS_SITE = {"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}
TRUSTED = {"Origin": "https://app.test"}
SAFE = {"X-Forwarded-Method": "GET"}
PREFLIGHT = {"X-Forwarded-Method": "OPTIONS", "Access-Control-Request-Method": "PUT"}
NAVIGATION = {**SAFE, "Accept": "text/html"}
SPENT = {"Cookie": f"access_token={mint(exp=1)}; refresh_token=r-1; a=b", **SAFE}
Fields = dict[str, str] | list[tuple[str, str]]


def valid(**claims: Any) -> str:
    return mint(exp=int(time.time()) + 600, **claims)


def session(token: str = "") -> dict[str, str]:
    return {"Cookie": f"access_token={token or valid()}"}


async def cannot_renew(_: Request, __: Admitted) -> Renewed | None:
    raise AssertionError


class Asking:
    """A proxy that asks, and what the gateway's observer was told."""

    def __init__(
        self, renew: Callable[[Request, Admitted], Awaitable[Renewed | None]] = cannot_renew
    ) -> None:
        self.events: list[Event] = []
        self._app = FastAPI()
        self._app.include_router(
            verify_routes(lambda: RULES, Settle(renew), lambda: b"id-1", self.events.append)
        )

    async def __call__(self, fields: Fields, behind: str = "", method: str = "GET") -> httpx.Response:
        transport = httpx.ASGITransport(self._app, client=(PROXY, 40000))
        async with httpx.AsyncClient(transport=transport, base_url="http://postgate:8001") as client:
            return await client.request(method, "/auth/verify" + behind, headers=fields)


@pytest.fixture
def asking() -> Asking:
    return Asking()


def code(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"code", "message", "details", "hint"}
    assert not answer.headers.keys() & {name.lower() for name in IDENTITY}
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"] == "id-1"
    return answer.status_code, body["code"]


class TestYes:
    async def test_it_says_whose_the_request_is_and_nothing_else(self, asking: Asking) -> None:
        token = valid()
        answer = await asking({"Cookie": f"a=b; access_token={token}; refresh_token=r; c=d", **SAFE})
        assert (answer.status_code, answer.content) == (204, b"")
        assert dict(answer.headers) == {
            "cache-control": "no-store",
            "x-request-id": "id-1",
            "authorization": f"Bearer {token}",
            "x-auth-subject": "u1",
            "x-auth-role": "web",
            "cookie": "a=b; c=d",
        }

    async def test_every_header_of_the_identity_is_there_even_if_there_is_nothing_to_say(
        self, asking: Asking
    ) -> None:
        """A proxy that finds one missing may keep what the client has sent (GHSA-7r4p-vjf4-gxv4 of Caddy)."""
        answer = await asking({"Authorization": f"Bearer {valid(sub=None)}", **SAFE})
        assert answer.status_code == 204
        assert [answer.headers[name] for name in IDENTITY[1:]] == ["", "web", ""]

    async def test_no_page_of_another_origin_can_read_it(self, asking: Asking) -> None:
        answer = await asking({**session(), **SAFE, **TRUSTED})
        assert answer.status_code == 204
        assert not [name for name in answer.headers if name.startswith("access-control-")]

    async def test_it_is_an_event(self, asking: Asking) -> None:
        await asking({**session(valid(sid="s1")), **SAFE, "X-Forwarded-Uri": "/files/a?secret=b"})
        (event,) = asking.events
        assert isinstance(event, RequestVerified)
        assert (event.request_id, event.method, event.role, event.subject) == (b"id-1", b"GET", "web", "u1")
        assert (event.client, event.path, event.session) == (PROXY, b"/files/a", "s1")


class TestNo:
    async def test_it_is_the_error_that_the_gateway_itself_would_answer(self, asking: Asking) -> None:
        answer = await asking(SAFE)
        assert code(answer) == (401, "GW200")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert code(await asking({**session("forged"), **SAFE})) == (401, "GW201")
        assert code(await asking({"Cookie": f"access_token={valid()}; access_token=b", **SAFE})) == (
            401,
            "GW202",
        )
        assert code(await asking({"Authorization": "Basic YTpi", **SAFE})) == (401, "GW200")

    async def test_it_is_an_event(self, asking: Asking) -> None:
        await asking({**SAFE, "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Uri": "/files/a?secret=b"})
        (event,) = asking.events
        assert isinstance(event, RequestRejected)
        assert (event.method, event.status, event.code) == (b"GET", 401, "GW200")
        assert (event.client, event.path) == ("198.51.100.7", b"/files/a")

    async def test_a_page_of_a_trusted_origin_can_read_it(self, asking: Asking) -> None:
        answer = await asking({**SAFE, **TRUSTED})
        assert answer.headers["Access-Control-Allow-Origin"] == TRUSTED["Origin"]
        assert "Access-Control-Allow-Origin" not in (await asking({**SAFE, **CROSS_SITE})).headers

    async def test_a_defect_is_a_no_and_tells_nothing(self) -> None:
        async def fails(_: Request, __: Admitted) -> Renewed | None:
            raise RuntimeError("hunter2")

        asking = Asking(fails)
        answer = await asking({"Cookie": "refresh_token=r", **SAFE})
        assert code(answer) == (500, "GW500")
        assert [type(event) for event in asking.events] == [InternalFailure, RequestRejected]


class TestTheMethod:
    @pytest.mark.parametrize(
        "told",
        [
            [],
            [("X-Forwarded-Method", "POST")],
            [("X-Forwarded-Method", "get")],
            [("X-Forwarded-Method", "")],
            [("X-Forwarded-Method", "GET, POST")],
            [("X-Forwarded-Method", "GET"), ("X-Forwarded-Method", "POST")],
            [("X-Forwarded-Method", "POST"), ("X-Forwarded-Method", "GET")],
            [("X-Forwarded-Method", "GET"), ("X-Forwarded-Method", "GET")],
            [("X_Forwarded_Method", "GET")],
            [("X-Original-Method", "GET")],
            [("X-Forwarded-Method", "PROPFIND")],
            [("X-Forwarded-Method", "GET"), ("X-Original-Method", "POST")],  # a client's, and the proxy's
            [("X-Forwarded-Method", "POST"), ("X-Original-Method", "GET")],
        ],
    )
    async def test_is_unsafe_unless_it_is_told_once_and_safe(
        self, asking: Asking, told: list[tuple[str, str]]
    ) -> None:
        fields = [*session().items(), *told]
        assert code(await asking([*fields, *CROSS_SITE.items()])) == (403, "GW104")
        assert (await asking([*fields, *TRUSTED.items()])).status_code == 204
        assert (await asking(fields)).status_code == 204

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
    async def test_a_safe_one_is_anybodys_to_send(self, asking: Asking, method: str) -> None:
        asked = {**session(), **CROSS_SITE, "X-Forwarded-Method": method}
        assert (await asking(asked)).status_code == 204

    @pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
    async def test_what_is_never_relayed_never_passes(self, asking: Asking, method: str) -> None:
        assert code(await asking({**session(), "X-Forwarded-Method": method})) == (405, "GW103")

    @pytest.mark.parametrize("mark", [{"Sec-WebSocket-Version": "13"}, {"Sec-WebSocket-Version": ""}])
    async def test_of_a_websocket_is_as_good_as_a_write(self, asking: Asking, mark: dict[str, str]) -> None:
        asked = {**session(), **SAFE, **mark}
        assert code(await asking({**asked, **CROSS_SITE})) == (403, "GW104")
        assert (await asking({**asked, **TRUSTED})).status_code == 204


class TestPreflights:
    """They carry no credentials, so nobody could tell them from a request that only claims to be one."""

    async def test_they_do_not_pass_without_an_identity(self, asking: Asking) -> None:
        assert code(await asking({**PREFLIGHT, **TRUSTED})) == (401, "GW200")
        assert code(await asking({**PREFLIGHT, **CROSS_SITE})) == (403, "GW104")
        assert code(await asking({**PREFLIGHT, **TRUSTED, **session()})) == (401, "GW200")


class TestOrigins:
    @pytest.mark.parametrize(
        ("scheme", "host", "origin", "status"),
        [
            ("https", "gw.test", "https://gw.test", 204),
            ("https", "gw.test:8443", "https://gw.test:8443", 204),
            ("http", "gw.test", "http://gw.test", 204),
            ("https", "gw.test", "http://gw.test", 403),
            ("http", "gw.test", "https://gw.test", 403),
            ("https", "gw.test", "https://gw.test:8443", 403),
            ("https", "gw.test", "http://postgate:8001", 403),
        ],
    )
    async def test_the_own_one_is_where_the_request_came_to(
        self, asking: Asking, scheme: str, host: str, origin: str, status: int
    ) -> None:
        told = {"X-Forwarded-Method": "POST", "X-Forwarded-Proto": scheme, "X-Forwarded-Host": host}
        assert (await asking({**session(), **told, "Origin": origin})).status_code == status


class TestSigningIn:
    async def test_a_navigation_is_sent_to_the_page_with_its_way_back(self, asking: Asking) -> None:
        answer = await asking({**NAVIGATION, "X-Forwarded-Uri": "/files/a?b=c"})
        assert code(answer) == (302, "GW204")
        assert answer.headers["Location"] == "/sign-in?next=%2Ffiles%2Fa%3Fb%3Dc"

    async def test_to_nginx_it_is_a_401_with_a_location(self, asking: Asking) -> None:
        answer = await asking({**NAVIGATION, "X-Forwarded-Uri": "/files/"}, "?redirect=no")
        assert code(answer) == (401, "GW204")
        assert answer.headers["Location"] == "/sign-in?next=%2Ffiles%2F"
        assert code(await asking(SAFE, "?redirect=no")) == (401, "GW200")

    @pytest.mark.parametrize(
        "uri",
        ["//evil.test/", "https://evil.test/", "/\\evil.test", "/a/../b", "evil", "", "/a b", "/%0a", "/#a"],
    )
    async def test_what_is_no_path_of_this_origin_is_no_way_back(self, asking: Asking, uri: str) -> None:
        answer = await asking({**NAVIGATION, "X-Forwarded-Uri": uri})
        assert answer.headers["Location"] == "/sign-in?next=%2F"

    @pytest.mark.parametrize(
        ("told", "way_back"),
        [
            ([("X-Original-URI", "/a?b")], "%2Fa%3Fb"),
            ([("X-Original-URL", "https://gw.test/a?b")], "%2Fa%3Fb"),  # ingress-nginx
            ([("X-Original-URL", "https://gw.test")], "%2F"),
            ([("X-Forwarded-Uri", "/a"), ("X-Original-URL", "https://gw.test/a")], "%2Fa"),
            ([("X-Forwarded-Uri", "/a"), ("X-Original-URI", "/b")], "%2F"),  # one of them is the client's
            ([("X-Forwarded-Uri", "/a"), ("X-Forwarded-Uri", "/b")], "%2F"),
        ],
    )
    async def test_the_way_back_is_what_the_headers_agree_on(
        self, asking: Asking, told: list[tuple[str, str]], way_back: str
    ) -> None:
        answer = await asking([*NAVIGATION.items(), *told])
        assert answer.headers["Location"] == f"/sign-in?next={way_back}"

    @pytest.mark.parametrize("uri", ["/sign-in", "/rpc/login", "/rest/", "/auth/verify", "/health"])
    async def test_no_path_opens_anything(self, asking: Asking, uri: str) -> None:
        """GHSA-7x63-xv5r-3p2x of oauth2-proxy."""
        assert (await asking({**SAFE, "X-Forwarded-Uri": uri})).status_code == 401


class TestRenewal:
    @staticmethod
    def renewing(token: str) -> Asking:
        async def renew(_: Request, admitted: Admitted) -> Renewed | None:
            assert admitted.refresh == b"r-1"
            cookies = (f"access_token={token}; Path=/".encode(), b"refresh_token=r-2; Path=/")
            return Renewed(token.encode(), cookies) if token else None

        return Asking(renew)

    async def test_the_new_cookies_come_by_one_name_and_by_names_of_their_own(self) -> None:
        token = valid()
        asking = self.renewing(token)
        answer = await asking({**SPENT, "X-Forwarded-Proto": "https"})
        hardened = "Path=/; HttpOnly; SameSite=Lax; Secure"
        expected = [f"access_token={token}; {hardened}", f"refresh_token=r-2; {hardened}"]
        assert answer.status_code == 204
        assert answer.headers.get_list("set-cookie") == expected
        assert [answer.headers[f"x-auth-set-cookie-{number}"] for number in (1, 2)] == expected
        assert answer.headers["authorization"] == f"Bearer {token}"
        assert answer.headers["cookie"] == "a=b"
        assert [type(event) for event in asking.events] == [SessionRenewed, RequestVerified]

    async def test_they_come_with_a_no_as_well(self) -> None:
        """The token that was sent is spent: without them the session would be lost."""
        answer = await self.renewing(valid(role="postgres"))(SPENT)
        assert code(answer) == (401, "GW201")
        assert len(answer.headers.get_list("set-cookie")) == 2
        assert "x-auth-set-cookie-2" in answer.headers

    async def test_a_session_that_is_over_is_a_no_without_cookies(self) -> None:
        answer = await self.renewing("")(SPENT)
        assert code(answer) == (401, "GW201")
        assert "set-cookie" not in answer.headers

    async def test_what_would_be_refused_anyway_is_not_renewed(self, asking: Asking) -> None:
        cross_site = {**SPENT, **CROSS_SITE, "X-Forwarded-Method": "POST"}
        assert code(await asking(cross_site)) == (403, "GW104")

    async def test_a_database_that_is_away_is_no_no(self) -> None:
        async def fails(_: Request, __: Admitted) -> Renewed | None:
            raise DatabaseUnavailable

        answer = await Asking(fails)(SPENT)
        assert code(answer) == (503, "GW400")
        assert answer.headers["Retry-After"] == "1"


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]


class TestTheQuestionsOwnMethod:
    @pytest.mark.parametrize("method", METHODS)
    async def test_is_any_and_says_nothing_of_the_request(self, asking: Asking, method: str) -> None:
        assert (await asking({**session(), **SAFE, **CROSS_SITE}, method=method)).status_code == 204
        unsafe = await asking({**session(), "X-Forwarded-Method": "POST", **CROSS_SITE}, method=method)
        assert unsafe.status_code == 403
        assert (await asking({**session(), **CROSS_SITE}, method=method)).status_code == 403
        assert (await asking({}, method=method)).status_code == 401


class TestAPathBehind:
    """As Envoy asks: it puts its prefix before the path, keeps the method, and takes 200 for a yes."""

    @pytest.mark.parametrize(
        "path", ["/", "/app/x", "/app/", "/a%20b/[id].js?c=d", "/auth/verify", "/%2e%2e", "//"]
    )
    @pytest.mark.parametrize("method", METHODS)
    async def test_is_answered_like_the_endpoint_itself(self, asking: Asking, path: str, method: str) -> None:
        answer = await asking(session(), path, method)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["Content-Length"] == "0"
        assert answer.headers["X-Auth-Subject"] == "u1"
        assert (await asking({}, path, method)).status_code == 401

    @pytest.mark.parametrize("method", METHODS)
    async def test_its_method_is_the_requests(self, asking: Asking, method: str) -> None:
        status = 200 if method in {"GET", "HEAD", "OPTIONS"} else 403
        assert (await asking({**session(), **CROSS_SITE}, "/a", method)).status_code == status

    @pytest.mark.parametrize("name", ["X-Forwarded-Method", "X-Original-Method"])
    async def test_a_header_that_the_client_may_have_sent_makes_nothing_safe(
        self, asking: Asking, name: str
    ) -> None:
        asked = {**session(), **CROSS_SITE}
        assert (await asking({**asked, name: "GET"}, "/a", "POST")).status_code == 403
        assert (await asking({**asked, name: "POST"}, "/a", "GET")).status_code == 403
        assert (await asking({**asked, name: "GET"}, "/a", "GET")).status_code == 200
        assert (await asking({**asked, "Sec-WebSocket-Version": "13"}, "/a", "GET")).status_code == 403

    async def test_is_the_way_back_whatever_the_headers_say(self, asking: Asking) -> None:
        navigation = {"Accept": "text/html", "X-Forwarded-Uri": "/evil"}
        answer = await asking(navigation, "/files/a%20b?redirect=no&c=d")
        assert code(answer) == (302, "GW204")  # such a query is the client's
        assert answer.headers["Location"] == "/sign-in?next=%2Ffiles%2Fa%2520b%3Fredirect%3Dno%26c%3Dd"
        assert (await asking(navigation, "//evil.test")).headers["Location"] == "/sign-in?next=%2F"

    async def test_it_is_the_path_of_the_event(self, asking: Asking) -> None:
        await asking(session(), "/files/a?secret=b", "POST")
        (event,) = asking.events
        assert isinstance(event, RequestVerified)
        assert (event.method, event.path) == (b"POST", b"/files/a")
