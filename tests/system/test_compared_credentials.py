"""Where Postgate answers otherwise than Caddy with caddy-jwt did: credentials, tokens, and the secret."""

import json
import time
from base64 import b64decode, urlsafe_b64encode

import pytest
from harness.relay.answers import Answer
from harness.relay.deadlines import wait_until
from harness.relay.tokens import sign
from harness.site.client import ask
from harness.site.gateways import NewGateway, StartGateway
from harness.site.rows import row
from harness.site.site import Site

from app.settings import load_settings

HS256 = b'{"alg":"HS256","typ":"JWT"}'
SESSION_COOKIES = ("access_token", "refresh_token")


def whoami(site: Site, *, cookie: str = "", bearer: str = "") -> Answer:
    fields = [("Cookie", cookie)] if cookie else []
    if bearer:
        fields.append(("Authorization", f"Bearer {bearer}"))
    return ask(site.url, "GET", "/rest/rpc/whoami", fields)


def username(answer: Answer) -> str:
    assert answer.status == 200, answer
    return str(json.loads(answer.body)["username"])


def code(answer: Answer) -> str:
    assert answer.status == 401, answer
    return str(json.loads(answer.body)["code"])


def signed(site: Site, claims: str, *, algorithm: str = "HS256") -> str:
    header = HS256.replace(b"HS256", algorithm.encode())
    return sign(header, claims.encode(), key=b64decode(site.jwt_secret), algorithm=algorithm)


class TestCredentials:
    @row("no-credential")
    def test_without_a_credential_the_refusal_says_so(self, site: Site) -> None:
        answer = whoami(site)
        assert json.loads(answer.body) == {
            "code": "GW200", "message": "Sign in to continue.", "details": None, "hint": None
        }  # fmt: skip
        assert (answer.status, answer.head.value(b"www-authenticate")) == (401, b"Bearer")
        assert answer.head.value(b"cache-control") == b"no-store"

    @row("bearer-only")
    def test_a_bearer_token_alone_is_a_credential(self, site: Site) -> None:
        assert username(whoami(site, bearer=site.token(sub="alice"))) == "alice"

    @row("bad-cookie-good-bearer")
    def test_what_was_verified_is_what_is_forwarded(self, site: Site) -> None:
        good = site.token(sub="alice")
        for cookie in (site.token(seconds=-1), "nonsense", good[:-1]):
            assert code(whoami(site, cookie=f"access_token={cookie}", bearer=good)) == "GW201"
        assert username(whoami(site, cookie=f"access_token={site.token()}", bearer=good)) == "demo"

    @row("two-access-cookies")
    def test_two_different_access_cookies_are_refused_and_cleared(self, site: Site) -> None:
        one, two = (f"access_token={site.token(sub=name)}" for name in ("demo", "alice"))
        answer = whoami(site, cookie=f"{one}; {two}")
        assert code(answer) == "GW202"
        cleared = [value.decode() for value in answer.head.values(b"set-cookie")]
        assert {value.partition("=")[0] for value in cleared} == {
            f"{prefix}{name}" for prefix in ("", "__Host-") for name in SESSION_COOKIES
        }
        assert all("Max-Age=0" in value for value in cleared)
        assert username(whoami(site, cookie=f"{one}; {one}")) == "demo"

    @row("quoted-cookie")
    def test_a_quoted_cookie_is_no_token(self, site: Site) -> None:
        assert code(whoami(site, cookie=f'access_token="{site.token()}"')) == "GW201"

    @row("optional-auth")
    def test_public_data_stays_readable_without_and_with_a_stale_session(
        self, site: Site, start_gateway: StartGateway
    ) -> None:
        with start_gateway(site.environ, anonymous="allow") as gateway:
            for cookie in ("", f"access_token={site.token(seconds=-1)}", "access_token=nonsense"):
                assert ask(gateway.url, "GET", "/rest/notice", [("Cookie", f"a=b; {cookie}")]).status == 200
                assert ask(gateway.url, "GET", "/rest/task", [("Cookie", f"a=b; {cookie}")]).status == 401
            signed_in = ("Cookie", f"access_token={site.token()}")
            assert ask(gateway.url, "GET", "/rest/task", [signed_in]).status == 200


class TestTokens:
    @row("hs384-hs512")
    @pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
    def test_only_the_configured_algorithm_counts(self, site: Site, algorithm: str) -> None:
        claims = json.dumps({"role": "basic_subscriber", "username": "demo", "exp": int(time.time()) + 60})
        assert username(whoami(site, bearer=signed(site, claims))) == "demo"
        assert code(whoami(site, bearer=signed(site, claims, algorithm=algorithm))) == "GW201"

    @row("no-exp", "exp-as-string", "role-not-text", "duplicate-claims")
    @pytest.mark.parametrize(
        "claims",
        [
            '{"role":"basic_subscriber","sub":"demo"}',
            '{"role":"basic_subscriber","sub":"demo","exp":"%d"}',
            '{"role":["basic_subscriber"],"exp":%d}',
            '{"role":"anon","role":"basic_subscriber","exp":%d}',
        ],
    )
    def test_what_two_readers_could_take_differently_is_refused(self, site: Site, claims: str) -> None:
        if "%d" in claims:
            claims %= int(time.time()) + 60
        assert code(whoami(site, bearer=signed(site, claims))) == "GW201"

    @row("no-sub")
    def test_a_token_needs_no_subject(self, site: Site) -> None:
        claims = json.dumps({"role": "basic_subscriber", "username": "demo", "exp": int(time.time()) + 60})
        assert username(whoami(site, bearer=signed(site, claims))) == "demo"

    @row("long-token")
    def test_a_token_of_more_than_eight_kilobytes_is_refused(self, site: Site) -> None:
        assert code(whoami(site, bearer=site.token(padding="x" * 8_200))) == "GW201"


class TestSecret:
    @row("secret-in-the-database")
    @pytest.mark.parametrize("name", ["app.settings.jwt_secret", "app.jwt_secret", "pgrst.jwt_secret"])
    def test_no_role_can_read_the_secret(self, site: Site, name: str) -> None:
        signed_in = ("Cookie", f"access_token={site.token()}")
        login = ask(site.url, "POST", "/rpc/login", [], b'{"user_":"demo","pass":"demo"}')
        assert login.status == 204  # its transaction had it
        answer = ask(site.url, "GET", f"/rpc/setting?name={name}", [signed_in])
        assert (answer.status, json.loads(answer.body)) == (200, None)

    @row("weak-secret")
    @pytest.mark.parametrize("secret", ["c2hvcnQ=", "not base64!"])
    def test_a_secret_that_is_too_short_or_misread_stops_the_start(
        self, site: Site, new_gateway: NewGateway, secret: str
    ) -> None:
        gateway = new_gateway(site.environ, jwt_secret=secret)
        gateway.launch()
        wait_until(lambda: not gateway.is_running, "the process to end")
        assert gateway.exit_status == 1
        assert "POSTGATE_JWT_SECRET" in gateway.output
        assert secret not in gateway.output

    @row("secret-spelling")
    def test_the_secret_is_read_as_postgrest_reads_it(self, site: Site) -> None:
        key = b64decode(site.jwt_secret)
        url_safe = urlsafe_b64encode(key).decode()
        assert load_settings({**site.environ, "POSTGATE_JWT_SECRET": url_safe}).jwt_keys == (key,)
        text = "a plain text of 32 bytes or more"
        plain = {"POSTGATE_JWT_SECRET": text, "POSTGATE_JWT_SECRET_IS_BASE64": "false"}
        assert load_settings({**site.environ, **plain}).jwt_keys == (text.encode(),)
