"""TLS ends at nginx, Caddy or HAProxy, run with the files of docs/front, and Postgate knows who is behind."""

import json
from collections import deque

import pytest
from harness.front.fronts import Front
from harness.front.requests import handshake, head, session_of
from harness.front.service import FLOOD, FLOOD_BYTES, LONG_HEAD, STREAMS, Service
from harness.front.tls import CLIENT, HOST
from harness.front.visitor import JSON, Visitor
from harness.relay.answers import AnswerReader
from harness.relay.deadlines import wait_until
from harness.site.site import Site

from front.conftest import SIGN_IN

FRONTS = {"nginx": "nginx.conf", "caddy": "Caddyfile", "haproxy": "haproxy.cfg"}
pytestmark = pytest.mark.parametrize("front", FRONTS.items(), indirect=True, ids=FRONTS)

PREFIXED = ("__Host-access_token", "__Host-refresh_token")
INVENTED = "203.0.113.9"
CLAIMS = (
    *("-H", f"X-Forwarded-For: {INVENTED}"),
    *("-H", f"Forwarded: for={INVENTED};proto=http;host=evil.example"),
    *("-H", f"X-Real-IP: {INVENTED}"),
    *("-H", f"X_Forwarded_For: {INVENTED}"),
    *("-H", "X-Forwarded-Proto: http"),
    *("-H", "X-Forwarded-Host: evil.example"),
)
BIG = 5_000_000
STANDS_STILL = 100  # looks, a fifth of a second in all


def own_session(visitor: Visitor) -> dict[str, str]:
    """What SQL knows of the session, as the account function lists it."""
    answer = visitor("/rpc/sessions", *JSON, "-H", "Content-Profile: auth", "-d", "{}")
    assert answer.status == 200
    (session,) = [entry for entry in json.loads(answer.body) if entry["is_current"]]
    return dict(session)


def test_a_login_gives_secure_cookies_under_the_prefix(visitor: Visitor) -> None:
    cookies = visitor.sign_in().set_cookies
    assert {cookie.partition("=")[0] for cookie in cookies} == {*PREFIXED}
    for cookie in cookies:
        assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
        assert "domain=" not in cookie.lower()


def test_curls_own_jar_keeps_renews_and_drops_them(visitor: Visitor, site: Site) -> None:
    login = ("/rpc/login", *JSON, "-d", '{"user_":"demo","pass":"demo"}')
    assert visitor.with_own_jar(*login).status == 204
    assert visitor.own_jar() == {*PREFIXED}
    assert visitor.with_own_jar("/rest/task").status == 200
    plain = ("-H", f"Cookie: access_token={site.token()}; refresh_token=x")
    assert visitor("/rest/task", *plain).status == 401
    visitor.drop_from_own_jar(PREFIXED[0])
    renewed = visitor.with_own_jar("/rest/task")
    assert renewed.status == 200
    assert {cookie.partition("=")[0] for cookie in renewed.set_cookies} == {*PREFIXED}
    assert visitor.own_jar() == {*PREFIXED}
    assert visitor.with_own_jar("/rpc/logout", "-X", "POST").status == 204
    assert (
        PREFIXED[0] not in visitor.own_jar()
    )  # of several removals in one response, curl 7.88 heeds the last
    assert visitor.with_own_jar("/rest/task").status == 401


def test_a_claim_to_have_come_by_http_is_not_believed(visitor: Visitor) -> None:
    answer = visitor("/rpc/login", *JSON, *CLAIMS, "-d", '{"user_":"demo","pass":"demo"}')
    assert answer.status == 204
    assert all("; Secure" in cookie for cookie in answer.set_cookies)


@pytest.mark.parametrize("claims", [(), CLAIMS], ids=["no claim", "claims"])
def test_sql_knows_the_address_that_the_client_has(visitor: Visitor, claims: tuple[str, ...]) -> None:
    answer = visitor("/rpc/login", *JSON, *claims, "-d", '{"user_":"demo","pass":"demo"}')
    assert answer.status == 204
    assert own_session(visitor)["address"] == CLIENT


def test_postgrest_is_told_the_whole_way_and_nothing_that_was_invented(
    front: Front, signed_in: Visitor
) -> None:
    told = json.loads(signed_in("/rest/rpc/seen", *CLAIMS).body)["headers"]
    assert told["x-forwarded-for"] == f"{CLIENT}, 127.0.0.1"
    assert told["x-forwarded-proto"] == "https"
    assert told["x-forwarded-host"] == f"{HOST}:{front.ports.https}"
    assert INVENTED not in json.dumps(told)
    assert "evil.example" not in json.dumps(told)


def test_a_page_of_this_origin_may_write_and_no_other(front: Front, signed_in: Visitor) -> None:
    own = ("-H", f"Origin: {front.origin}")
    others = ("-H", f"Origin: https://{HOST}.evil.example:{front.ports.https}")
    task = ("-d", '{"title":"by hand"}')
    assert signed_in("/rest/task", *JSON, *own, *task).status == 201
    assert signed_in("/rest/task", *JSON, *others, *task).refusal == (403, "GW104")
    plain = ("-H", f"Origin: http://{HOST}:{front.ports.https}")
    assert signed_in("/rest/task", *JSON, *plain, *task).refusal == (403, "GW104")


def test_a_session_is_renewed_with_both_cookies(site: Site, signed_in: Visitor) -> None:
    signed_in.keep(f"__Host-access_token={site.token(seconds=-1)}; Path=/")
    answer = signed_in("/rest/task")
    assert answer.status == 200
    assert [cookie.partition("=")[0] for cookie in answer.set_cookies] == [*PREFIXED]
    assert answer.values("cache-control") == ["no-store"]


def test_logout_counts_at_once(signed_in: Visitor) -> None:
    cookies = session_of(signed_in)
    assert signed_in("/rpc/logout", "-X", "POST").status == 204
    assert signed_in("/rest/task", "-H", cookies).refusal[0] == 401


def test_a_navigation_is_sent_to_sign_in_at_the_origin_it_came_to(visitor: Visitor) -> None:
    answer = visitor("/rest/task?select=id", "-H", "Accept: text/html")
    assert (answer.status, answer.value("location")) == (302, f"{SIGN_IN}?next=%2Frest%2Ftask%3Fselect%3Did")


@pytest.mark.parametrize(
    "target", ["//rpc/login", "/rest/%2e%2e/rpc/login", "/rest/../rpc/login", "/rest/a%2fb"]
)
def test_a_path_arrives_as_it_was_sent_and_is_judged_so(signed_in: Visitor, target: str) -> None:
    assert signed_in(target).refusal == (400, "GW101")


def test_a_query_arrives_byte_for_byte(signed_in: Visitor, service: Service) -> None:
    target = "/files/a%20b?id=in.(1,2)&select=a:b(*)&x=%2C+%e2%82%ac"
    assert signed_in(target).status == 200
    assert service.last.target == target


def test_a_head_of_some_size_arrives(signed_in: Visitor, other: Visitor, service: Service) -> None:
    theme = f"theme={'x' * 12_000}"
    assert other("/files/", "-H", f"{session_of(signed_in)}; {theme}").status == 200
    assert service.last.values("cookie") == [theme]


def test_an_answer_with_two_long_cookies_arrives(signed_in: Visitor) -> None:
    answer = signed_in(LONG_HEAD)
    assert answer.status == 200
    assert [len(cookie) > 4_000 for cookie in answer.set_cookies] == [False, True, True]


def test_a_large_upload_arrives_whole(signed_in: Visitor, service: Service) -> None:
    (signed_in._folder / "big").write_bytes(b"x" * BIG)
    answer = signed_in("/files/big", "-X", "POST", "--data-binary", "@big")
    assert (answer.status, answer.body) == (200, b"%d" % BIG)


@pytest.mark.parametrize("framing", [f"Content-Length: {2 * 70_000}", "Transfer-Encoding: chunked"])
def test_an_upload_is_passed_on_while_it_comes(
    front: Front, signed_in: Visitor, service: Service, framing: str
) -> None:
    half = b"x" * 70_000
    is_chunked = framing.startswith("Transfer")
    piece = b"%x\r\n%b\r\n" % (len(half), half) if is_chunked else half
    with front.certificate.connect(front.ports.https) as wire:
        wire.send(head("POST /files/slow", front, session_of(signed_in), framing) + piece)
        wait_until(lambda: service.arrived >= len(half) // 2, "the first half to be passed on")
        wire.send(piece + (b"0\r\n\r\n" if is_chunked else b""))
        answer = AnswerReader(wire, "POST").whole()
    assert (answer.status, answer.body) == (200, b"140000")


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_is_passed_on_while_it_comes(
    front: Front, signed_in: Visitor, service: Service, stream: str
) -> None:
    with front.certificate.connect(front.ports.https) as wire:
        wire.send(head(f"GET {stream}", front, session_of(signed_in)))
        reader = AnswerReader(wire, "GET")
        assert reader.body_of(1) == b"data: 1\n\n"
        service.go_on.set()
        assert reader.whole().body == b"data: 1\n\ndata: 2\n\n"


def test_an_answer_that_nobody_reads_piles_up_nowhere(
    front: Front, signed_in: Visitor, service: Service
) -> None:
    with front.certificate.connect(front.ports.https) as wire:
        wire.send(head(f"GET {FLOOD}", front, session_of(signed_in)))
        AnswerReader(wire, "GET").head()
        seen: deque[int] = deque([-1] * STANDS_STILL, STANDS_STILL)

        def stands_still() -> bool:
            seen.append(service.sent)
            return seen[0] == seen[-1]

        wait_until(stands_still, "the service to be held up")
        assert service.sent < FLOOD_BYTES
    wait_until(lambda: service.left == 1, "the service to see its reader leave")


def test_a_body_on_demand_is_asked_for(front: Front, signed_in: Visitor, service: Service) -> None:
    with front.certificate.connect(front.ports.https) as wire:
        fields = (session_of(signed_in), "Content-Length: 5", "Expect: 100-continue")
        wire.send(head("POST /files/late", front, *fields))
        reader = AnswerReader(wire, "POST")
        assert reader.interim().status == 100
        wire.send(b"hello")
        assert (reader.whole().status, service.arrived) == (200, 5)


def test_a_websocket_passes(front: Front, signed_in: Visitor, service: Service, demo_id: str) -> None:
    assert handshake(front, signed_in, front.origin, b"hello")[::2] == (101, b"hello")
    assert service.last.values("x-auth-subject") == [demo_id]


def test_a_websocket_of_another_sites_page_does_not(
    front: Front, signed_in: Visitor, service: Service
) -> None:
    assert handshake(front, signed_in, "https://evil.example")[0] == 403
    assert not service.asked


def test_http_is_sent_to_https(front: Front, visitor: Visitor) -> None:
    if front.name == "caddy":
        pytest.skip("Caddy does so by itself, on the ports 80 and 443")
    port = front.ports.http
    answer = visitor.line(f"curl --resolve {HOST}:{port}:127.0.0.1 http://{HOST}:{port}/rest/task?select=id")
    assert answer.status == 301
    assert answer.value("location").startswith(f"https://{HOST}")
