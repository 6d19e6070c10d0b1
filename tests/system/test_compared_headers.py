"""Where Postgate answers otherwise than Caddy with caddy-jwt did: what crosses, and CORS."""

import json
from typing import Any

import pytest
from harness.relay.answers import Answer
from harness.site.client import Field, ask
from harness.site.rows import row
from harness.site.site import TRUSTED_ORIGIN, Site


def seen(site: Site, *fields: Field) -> dict[str, Any]:
    """The request as it looks from inside Postgres."""
    answer = ask(site.url, "GET", "/rpc/seen", [("Authorization", f"Bearer {site.token()}"), *fields])
    assert answer.status == 200, answer
    found: dict[str, Any] = json.loads(answer.body)
    return found


def cors(answer: Answer) -> dict[bytes, bytes]:
    return {
        name.lower(): value
        for name, value in answer.head.fields
        if name.lower().startswith(b"access-control-")
    }


class TestRequests:
    @row("own-cookies")
    def test_the_session_cookies_stay_here_and_others_cross(self, site: Site) -> None:
        session = f"access_token={site.token()}; refresh_token=secret"
        found = seen(site, ("Cookie", f"theme=dark; {session}; tracking=1"))
        assert found["cookies"] == {"theme": "dark", "tracking": "1"}

    @row("underscore-names")
    def test_names_with_an_underscore_do_not_cross(self, site: Site) -> None:
        found = seen(site, ("X_Forwarded_For", "9.9.9.9"), ("Content_Type", "x/y"), ("X-Mine", "yes"))
        assert found["headers"]["x-mine"] == "yes"
        assert not [name for name in found["headers"] if "_" in name]

    @row("forwarded", "spoofed-identity")
    def test_what_the_client_claims_of_itself_does_not_cross(self, site: Site) -> None:
        claims = (
            ("Forwarded", "for=9.9.9.9"), ("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "evil.example"), ("X-Real-IP", "9.9.9.9"), ("X-User", "admin"),
            ("X-Forwarded-User", "admin"), ("Remote-User", "admin"),
        )  # fmt: skip
        headers = seen(site, *claims)["headers"]
        assert headers["x-forwarded-for"] == "127.0.0.1"
        assert headers["x-forwarded-proto"] == "http"
        assert headers["x-forwarded-host"] == "gw.test"
        assert {"forwarded", "x-real-ip", "x-user", "x-forwarded-user", "remote-user"}.isdisjoint(headers)

    def test_what_a_trusted_proxy_says_crosses(self, recipe: Site) -> None:
        said = (
            ("X-Forwarded-For", "9.9.9.9"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "my.example"),
        )
        headers = seen(recipe, *said)["headers"]
        assert headers["x-forwarded-for"] == "9.9.9.9, 127.0.0.1"
        assert headers["x-forwarded-proto"] == "https"
        assert headers["x-forwarded-host"] == "my.example"

    @row("host")
    def test_the_upstream_is_asked_by_its_own_name(self, site: Site) -> None:
        headers = seen(site, ("Host", "my.example:8000"))["headers"]
        assert headers["host"] == site.postgrest.url.removeprefix("http://")
        assert headers["x-forwarded-host"] == "my.example:8000"

    @row("accept-encoding")
    def test_nothing_is_asked_for_that_the_client_did_not_ask_for(self, site: Site) -> None:
        assert "accept-encoding" not in seen(site)["headers"]

    @row("request-id")
    def test_every_request_has_an_id_of_the_gateways(self, site: Site) -> None:
        bearer = ("Authorization", f"Bearer {site.token()}")
        answer = ask(site.url, "GET", "/rpc/seen", [bearer, ("X-Request-Id", "mine")])
        told = json.loads(answer.body)["headers"]["x-request-id"]
        assert told.encode() == answer.head.value(b"x-request-id")
        assert told != "mine"
        assert ask(site.url, "GET", "/rest/task").head.value(b"x-request-id")


class TestAnswers:
    @row("server")
    def test_neither_the_gateway_nor_postgrest_is_named(self, site: Site) -> None:
        bearer = ("Authorization", f"Bearer {site.token()}")
        assert ask(site.url, "GET", "/rest/task", [bearer]).status == 200
        assert not ask(site.url, "GET", "/rest/task", [bearer]).head.values(b"server")
        assert not ask(site.url, "GET", "/rest/task").head.values(b"server")

    @row("locations")
    def test_what_postgrest_points_to_can_be_followed(self, site: Site) -> None:
        bearer = ("Authorization", f"Bearer {site.token()}")
        read = ask(site.url, "GET", "/rest/task?limit=1", [bearer])
        assert read.head.value(b"content-location") == b"/rest/task?limit=1"
        target = read.head.value(b"content-location").decode()
        assert ask(site.url, "GET", target, [bearer]).body == read.body

    @row("protection")
    def test_browsers_are_told_what_they_may_make_of_an_answer(self, site: Site) -> None:
        bearer = ("Authorization", f"Bearer {site.token()}")
        for fields, framing in (([bearer], b"frame-ancestors 'self'"), ([], b"frame-ancestors 'none'")):
            head = ask(site.url, "GET", "/rest/task", fields).head
            assert head.value(b"x-content-type-options") == b"nosniff"
            assert head.value(b"referrer-policy") == b"same-origin"
            assert framing in head.value(b"content-security-policy")

    @row("private-answers")
    def test_no_shared_cache_keeps_what_one_person_was_told(self, site: Site) -> None:
        cookie = ("Cookie", f"access_token={site.token()}")
        signed_in = ask(site.url, "GET", "/rest/task", [cookie]).head
        assert signed_in.value(b"cache-control") == b"private"
        assert b"Cookie" in signed_in.values(b"vary")
        assert not ask(site.url, "GET", "/rest/").head.values(b"cache-control")


PREFLIGHT = [
    ("Access-Control-Request-Method", "POST"),
    ("Access-Control-Request-Headers", "content-type, content-profile"),
]


class TestCors:
    @row("preflight-trusted")
    @pytest.mark.parametrize("target", ["/rest/task", "/rpc/login", "/rest/rpc/whoami"])
    def test_a_preflight_of_a_trusted_origin_is_answered_without_a_session(
        self, site: Site, target: str
    ) -> None:
        answer = ask(site.url, "OPTIONS", target, [("Origin", TRUSTED_ORIGIN), *PREFLIGHT])
        assert (answer.status, answer.body) == (204, b"")
        allowed = cors(answer)
        assert allowed[b"access-control-allow-origin"] == TRUSTED_ORIGIN.encode()
        assert allowed[b"access-control-allow-credentials"] == b"true"
        assert b"PATCH" in allowed[b"access-control-allow-methods"]
        assert allowed[b"access-control-allow-headers"] == b"content-type, content-profile"
        assert b"Origin" in b",".join(answer.head.values(b"vary"))

    @row("preflight-foreign")
    @pytest.mark.parametrize("target", ["/rest/task", "/rpc/login"])
    @pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{TRUSTED_ORIGIN}.evil.example"])
    def test_a_preflight_of_another_origin_is_refused(self, site: Site, target: str, origin: str) -> None:
        answer = ask(site.url, "OPTIONS", target, [("Origin", origin), *PREFLIGHT])
        assert answer.status == 403
        assert not cors(answer)

    @row("cors-headers")
    def test_postgrests_star_does_not_cross_and_a_trusted_origin_is_named(self, site: Site) -> None:
        bearer = ("Authorization", f"Bearer {site.token()}")
        foreign = ask(site.url, "GET", "/rest/task", [bearer, ("Origin", "https://evil.example")])
        assert (foreign.status, cors(foreign)) == (200, {})
        answer = ask(site.url, "GET", "/rest/task", [bearer, ("Origin", TRUSTED_ORIGIN)])
        assert cors(answer)[b"access-control-allow-origin"] == TRUSTED_ORIGIN.encode()
        assert cors(answer)[b"access-control-allow-credentials"] == b"true"
        assert b"Preference-Applied" in cors(answer)[b"access-control-expose-headers"]
        assert b"Origin" in b",".join(answer.head.values(b"vary"))

    @row("cors-on-refusals")
    @pytest.mark.parametrize(
        ("method", "target", "body", "status"),
        [
            ("GET", "/rest/task", b"", 401),
            ("GET", "/rpc/login", b"", 405),
            ("POST", "/rpc/login", b'{"user_":"demo","pass":"wrong"}', 401),
            ("POST", "/rpc/login", b"not json", 400),
            ("POST", "/rpc/login", b" " * 100_000, 413),
            ("GET", "/rest/../x", b"", 400),
        ],
    )
    def test_a_page_of_a_trusted_origin_can_read_why_it_was_refused(
        self, site: Site, method: str, target: str, body: bytes, status: int
    ) -> None:
        fields = [("Origin", TRUSTED_ORIGIN), ("Content-Type", "application/json")]
        answer = ask(site.url, method, target, fields, body or None)
        assert answer.status == status
        assert cors(answer)[b"access-control-allow-origin"] == TRUSTED_ORIGIN.encode()
        assert b"Origin" in b",".join(answer.head.values(b"vary"))
