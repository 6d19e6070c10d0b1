"""nginx and Caddy, run with the files of docs/front, ask Postgate about each request for a service."""

import json

import pytest
from harness.front.fronts import Front
from harness.front.requests import handshake, session_of
from harness.front.service import REFUSED, Service
from harness.front.tls import CLIENT
from harness.front.visitor import JSON, Visitor
from harness.relay.deadlines import wait_until
from harness.site.site import Site

from front.conftest import FRIEND, SIGN_IN

FRONTS = {"nginx": "nginx-forward-auth.conf", "caddy": "Caddyfile-forward-auth"}
pytestmark = pytest.mark.parametrize("front", FRONTS.items(), indirect=True, ids=FRONTS)

CROSS_SITE = ("-H", "Origin: https://evil.example", "-H", "Sec-Fetch-Site: cross-site")
FORGED = (
    *("-H", "X-Auth-Subject: admin"),
    *("-H", "X-Auth-Role: postgres"),
    *("-H", "X_Auth_Subject: admin"),
    *("-H", "X-Auth-Set-Cookie-1: access_token=forged"),
)


def cookies_of(visitor: Visitor) -> set[str]:
    return set(visitor.jar)


class TestWhoAsks:
    def test_somebody_signed_in_passes_and_the_service_knows_who_it_is(
        self, signed_in: Visitor, service: Service, demo_id: str
    ) -> None:
        answer = signed_in("/files/a?b=c")
        assert (answer.status, json.loads(answer.body)) == (200, {"target": "/files/a?b=c"})
        asked = service.last
        assert asked.values("authorization") == [f"Bearer {signed_in.jar['__Host-access_token']}"]
        assert asked.values("x-auth-subject") == [demo_id]
        assert asked.values("x-auth-role") == ["basic_subscriber"]
        assert asked.values("x-forwarded-for") == [CLIENT]

    def test_the_session_itself_stays_in_front_and_other_cookies_pass(
        self, signed_in: Visitor, service: Service
    ) -> None:
        signed_in.keep("theme=dark; Path=/")
        assert signed_in("/files/").status == 200
        assert service.last.values("cookie") == ["theme=dark"]

    def test_a_bearer_token_passes_as_well(self, site: Site, visitor: Visitor, service: Service) -> None:
        token = site.token(sub="a script")
        assert visitor("/files/", "-H", f"Authorization: Bearer {token}").status == 200
        assert service.last.values("authorization") == [f"Bearer {token}"]
        assert service.last.values("x-auth-subject") == ["a%20script"]

    def test_a_long_token_passes(self, site: Site, visitor: Visitor, service: Service) -> None:
        token = site.token(groups=["x" * 5_000])
        assert visitor("/files/", "-H", f"Authorization: Bearer {token}").status == 200
        assert service.last.values("authorization") == [f"Bearer {token}"]

    def test_a_stranger_is_refused_and_the_service_is_not_asked(
        self, visitor: Visitor, service: Service
    ) -> None:
        answer = visitor("/files/")
        assert answer.status == 401
        assert answer.value("www-authenticate") == "Bearer"
        assert answer.values("cache-control") == ["no-store"]
        assert not service.asked

    def test_a_logout_counts_at_once(self, signed_in: Visitor, other: Visitor) -> None:
        cookies = ("-H", session_of(signed_in))
        assert other("/files/", *cookies).status == 200
        assert signed_in("/rpc/logout", "-X", "POST").status == 204
        wait_until(lambda: other("/files/", *cookies).status == 401, "the front to refuse it")

    def test_the_answer_to_the_question_stays_between_the_two(self, signed_in: Visitor) -> None:
        for target in ("/auth/verify", "/_verify", "/metrics"):
            assert signed_in(target).status == 404
        answer = signed_in("/files/")
        assert not [name for name, _ in answer.fields if name.startswith("x-auth-")]
        assert not answer.values("authorization")


class TestClaimsOfTheClients:
    """What a client says of itself, in the headers that are Postgate's and the front's to write."""

    def test_an_identity_of_ones_own_choice_does_not_reach_the_service(
        self, signed_in: Visitor, service: Service, demo_id: str
    ) -> None:
        assert signed_in("/files/", *FORGED).status == 200
        told = json.dumps(service.last.fields)
        assert "admin" not in told
        assert "postgres" not in told
        assert service.last.values("x-auth-subject") == [demo_id]

    def test_it_does_not_sign_in(self, visitor: Visitor, service: Service) -> None:
        assert visitor("/files/", *FORGED, "-H", "Authorization: Basic YTpi").status == 401
        assert not service.asked

    def test_a_bearer_token_beside_a_session_does_not_reach_the_service(
        self, site: Site, signed_in: Visitor, service: Service
    ) -> None:
        """What was verified is what is forwarded: the cookie counts."""
        admin = site.token(sub="admin")
        assert signed_in("/files/", "-H", f"Authorization: Bearer {admin}").status == 200
        assert service.last.values("authorization") == [f"Bearer {signed_in.jar['__Host-access_token']}"]

    @pytest.mark.parametrize(
        "name", ["X-Forwarded-Uri", "X-Original-URL", "X-Rewrite-URL", "X_Forwarded_Uri"]
    )
    @pytest.mark.parametrize("path", ["/rest/", "/rpc/login", "/health", "/sign-in"])
    def test_a_public_path_in_a_header_opens_nothing(
        self, visitor: Visitor, service: Service, name: str, path: str
    ) -> None:
        """GHSA-7x63-xv5r-3p2x of oauth2-proxy."""
        assert visitor("/files/", "-H", f"{name}: {path}").status == 401
        assert not service.asked

    @pytest.mark.parametrize("name", ["X-Forwarded-Method", "X_Forwarded_Method", "X-HTTP-Method-Override"])
    def test_a_harmless_method_in_a_header_does_not_hide_a_write_of_another_site(
        self, signed_in: Visitor, service: Service, name: str
    ) -> None:
        """GHSA-vjrc-mh2v-45x6 of oauth2-proxy: names that only look the same."""
        assert signed_in("/files/", *CROSS_SITE, "-H", f"{name}: GET", "-d", "a=b").status == 403
        assert not service.asked

    def test_a_preflight_in_a_header_opens_nothing(self, visitor: Visitor, service: Service) -> None:
        claims = ("-H", "X-Forwarded-Method: OPTIONS", "-H", f"Origin: {FRIEND}")
        asks = ("-H", "Access-Control-Request-Method: GET")
        assert visitor("/files/", *claims, *asks).status == 401
        assert visitor("/files/", *claims, *asks, "-d", "a=b").status == 401
        assert not service.asked

    def test_a_scheme_and_a_host_of_ones_own_choice_do_not_make_an_origin(self, signed_in: Visitor) -> None:
        claims = ("-H", "X-Forwarded-Host: evil.example", "-H", "X-Forwarded-Proto: https")
        assert signed_in("/files/", *claims, "-H", "Origin: https://evil.example", "-d", "a=b").status == 403


class TestOtherSites:
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_the_method_of_the_request_itself_decides(
        self, signed_in: Visitor, service: Service, method: str
    ) -> None:
        assert signed_in("/files/", "-X", method, *CROSS_SITE).status == 403
        assert not service.asked

    def test_a_link_of_another_site_leads_here(self, signed_in: Visitor) -> None:
        assert signed_in("/files/", "-H", "Sec-Fetch-Site: cross-site").status == 200
        assert signed_in("/files/", "-I", "-H", "Sec-Fetch-Site: cross-site").status == 200

    def test_pages_of_this_origin_and_of_trusted_ones_write(self, front: Front, signed_in: Visitor) -> None:
        for origin in (front.origin, FRIEND):
            answer = signed_in("/files/", "-H", f"Origin: {origin}", "-d", "a=b")
            assert (answer.status, answer.body) == (200, b"3")

    def test_a_preflight_is_the_services_to_answer_and_it_is_told_of_nobody(
        self, signed_in: Visitor, service: Service
    ) -> None:
        asks = ("-H", f"Origin: {FRIEND}", "-H", "Access-Control-Request-Method: PUT")
        answer = signed_in("/files/", "-X", "OPTIONS", *asks, *FORGED, "-H", "Authorization: Basic YTpi")
        assert (answer.status, answer.value("access-control-allow-origin")) == (204, "*")
        names = {name for name, _ in service.last.fields}
        assert not {"authorization", "cookie", "x-auth-subject", "x-auth-role", "x_auth_subject"} & names

    def test_options_without_being_a_preflight_need_a_session(
        self, visitor: Visitor, service: Service
    ) -> None:
        assert visitor("/files/", "-X", "OPTIONS").status == 401
        assert not service.asked


class TestSigningIn:
    def test_a_navigation_is_sent_to_the_page(self, visitor: Visitor) -> None:
        answer = visitor("/files/a?b=c&d", "-H", "Accept: text/html,*/*;q=0.8")
        assert (answer.status, answer.value("location")) == (302, f"{SIGN_IN}?next=%2Ffiles%2Fa%3Fb%3Dc%26d")
        assert "no-store" in answer.value("cache-control")

    def test_a_path_of_ones_own_choice_is_not_where_it_leads(self, visitor: Visitor) -> None:
        claims = ("-H", "X-Forwarded-Uri: //evil.example/", "-H", "Accept: text/html")
        assert visitor("/files/", *claims).value("location") == f"{SIGN_IN}?next=%2Ffiles%2F"

    @pytest.mark.parametrize(
        "asks",
        [
            ("-H", "Accept: application/json"),
            ("-H", "Accept: text/html", "-H", "Sec-Fetch-Mode: cors"),
            ("-H", "Accept: text/html", "-d", "a=b"),
        ],
        ids=["a script", "fetch", "a form"],
    )
    def test_anything_else_is_told_401(self, visitor: Visitor, asks: tuple[str, ...]) -> None:
        assert visitor("/files/", *asks).status == 401

    def test_what_the_service_refuses_is_refused_in_its_words(self, signed_in: Visitor) -> None:
        answer = signed_in(REFUSED, "-H", "Accept: text/html")
        assert (answer.status, answer.body) == (401, b"not you")


class TestRenewal:
    @pytest.fixture
    def spent(self, site: Site, signed_in: Visitor) -> Visitor:
        signed_in.keep(f"__Host-access_token={site.token(seconds=-1)}; Path=/")
        return signed_in

    def test_a_spent_session_goes_on_and_the_browser_gets_both_cookies(
        self, spent: Visitor, service: Service, demo_id: str
    ) -> None:
        before = dict(spent.jar)
        answer = spent("/files/")
        assert answer.status == 200
        cookies = {cookie.partition("=")[0]: cookie for cookie in answer.set_cookies}
        assert set(cookies) == {"__Host-access_token", "__Host-refresh_token", "own"}
        for name, value in before.items():
            assert spent.jar[name] != value
            assert all(
                word in cookies[name] for word in ("; HttpOnly", "; Secure", "; SameSite=Lax", "; Path=/")
            )
        assert service.last.values("authorization") == [f"Bearer {spent.jar['__Host-access_token']}"]
        assert service.last.values("x-auth-subject") == [demo_id]

    def test_the_answer_that_brings_them_is_for_no_cache(self, spent: Visitor) -> None:
        assert spent("/files/").values("cache-control") == ["no-store"]
        answer = spent("/files/")
        assert answer.values("cache-control") == ["max-age=60"]
        assert [cookie.partition("=")[0] for cookie in answer.set_cookies] == ["own"]

    def test_they_come_with_an_error_of_the_service_as_well(self, spent: Visitor) -> None:
        answer = spent(REFUSED)
        assert answer.status == 401
        assert len(answer.set_cookies) == 3

    def test_a_write_goes_on_with_its_body(self, spent: Visitor) -> None:
        answer = spent("/files/", *JSON, "-d", "x" * 100_000)
        assert (answer.status, answer.body) == (200, b"100000")

    def test_sql_is_told_the_address_of_the_client(self, site: Site, spent: Visitor) -> None:
        assert spent("/files/", "-H", "X-Forwarded-For: 203.0.113.9").status == 200
        (row,) = site.database.fetch(
            "select address from auth.session where id = (select family from auth.refresh_token"
            " where digest = auth_private.token_digest($1))",
            spent.jar["__Host-refresh_token"],
        )
        assert row[0] == CLIENT

    def test_a_session_that_is_over_is_refused(self, spent: Visitor, other: Visitor) -> None:
        cookies = session_of(spent)
        assert spent("/rpc/logout", "-X", "POST").status == 204
        assert other("/files/", "-H", cookies).status == 401

    def test_a_write_of_another_site_renews_nothing(self, spent: Visitor) -> None:
        answer = spent("/files/", *CROSS_SITE, "-d", "a=b")
        assert (answer.status, answer.set_cookies) == (403, [])


class TestWebSockets:
    def test_one_opens_for_a_session(
        self, front: Front, signed_in: Visitor, service: Service, demo_id: str
    ) -> None:
        assert handshake(front, signed_in, front.origin, b"hello")[::2] == (101, b"hello")
        assert service.last.values("x-auth-subject") == [demo_id]
        assert service.last.values("cookie") in ([], [""])

    def test_one_opens_for_a_spent_session_and_brings_the_cookies(
        self, site: Site, front: Front, signed_in: Visitor
    ) -> None:
        signed_in.keep(f"__Host-access_token={site.token(seconds=-1)}; Path=/")
        status, answered, said = handshake(front, signed_in, front.origin, b"hello")
        assert (status, said) == (101, b"hello")
        assert answered.lower().count(b"\r\nset-cookie: ") == 2

    def test_none_opens_for_a_page_of_another_site(
        self, front: Front, signed_in: Visitor, service: Service
    ) -> None:
        assert handshake(front, signed_in, "https://evil.example")[0] == 403
        assert not service.asked

    def test_none_opens_for_a_stranger(self, front: Front, visitor: Visitor, service: Service) -> None:
        assert handshake(front, visitor, front.origin)[0] == 401
        assert not service.asked
