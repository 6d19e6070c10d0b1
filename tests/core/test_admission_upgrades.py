"""Admission: which requests may leave HTTP, and that none leaves a body behind."""

from dataclasses import replace

import pytest

from app.core.http.routing import AuthFunction
from app.errors import CredentialMissing, OriginDenied, TokenRejected, UpgradeRejected

from .builders import REST, RPC, decide, gateway, mint, refusal, router, session

CHAT = replace(REST, name="chat", prefix=b"/chat/", upstream="chat", authority=b"chat:4000", websocket=True)
GATE = gateway(router=router(REST, RPC, CHAT))
HANDSHAKE = ("Connection: Upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


def test_a_route_that_is_not_for_it_does_not_change_protocols() -> None:  # C36, C38
    refusal(CredentialMissing, "GET /rest/items", *HANDSHAKE, upgrade=True)
    refusal(UpgradeRejected, "GET /rest/items", session(), *HANDSHAKE, upgrade=True)
    refusal(UpgradeRejected, "POST /rpc/login", *HANDSHAKE, upgrade=True)


def test_a_websocket_is_opened_where_the_route_lets_it_through() -> None:
    token = mint()
    found = decide("GET /chat/room?id=1", session(token), *HANDSHAKE, gate=GATE, upgrade=True)
    assert found.upgrades
    assert found.head == (
        b"GET /room?id=1 HTTP/1.1\r\n"
        b"Host: chat:4000\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Via: 1.1 postgate\r\n"
        b"X-Forwarded-For: 198.51.100.7\r\n"
        b"X-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Host: gw.test\r\n"
        b"X-Request-Id: id-1\r\n"
        b"Authorization: Bearer %b\r\n"
        b"Connection: Upgrade\r\n"
        b"Upgrade: websocket\r\n"
        b"\r\n" % token.encode()
    )


def test_an_ordinary_request_on_such_a_route_stays_ordinary() -> None:
    found = decide("GET /chat/room", session(), gate=GATE)
    assert not found.upgrades
    assert b"pgrade" not in found.head


@pytest.mark.parametrize("protocol", ["websocket, h2c", "h2c, WebSocket", "websocket/13", "xwebsocket"])
def test_only_the_websocket_protocol_is_changed_to(protocol: str) -> None:
    refusal(UpgradeRejected, "GET /chat/room", session(), f"Upgrade: {protocol}", gate=GATE, upgrade=True)


OTHERS = ["h2c", "H2C", "foo", "TLS/1.2", "", "h2c, foo"]


@pytest.mark.parametrize("protocol", OTHERS)
@pytest.mark.parametrize("line", ["GET /chat/room", "GET /rest/items", "HEAD /rest/", "DELETE /rpc/drop"])
def test_to_other_protocols_the_answer_is_http(line: str, protocol: str) -> None:  # RFC 9110 section 7.8
    asks = (f"Upgrade: {protocol}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMA")
    token = session(mint())
    found = decide(line, token, *asks, gate=GATE, upgrade=True)
    assert not found.upgrades
    assert found == decide(line, token, gate=GATE)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("fields", [(), ("Content-Length: 0",)])
def test_an_auth_function_is_called_all_the_same(fields: tuple[str, ...], version: str) -> None:
    asks = ("Upgrade: h2c", "Connection: Upgrade", *fields)
    found = decide("POST /rpc/logout", *asks, upgrade=True, version=version)
    assert found.lane == AuthFunction("logout")


@pytest.mark.parametrize("protocol", OTHERS)
@pytest.mark.parametrize("framing", ["Content-Length: 2", "Content-Length: 00", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("line", ["POST /rest/items", "GET /chat/room", "POST /rpc/login"])
def test_with_a_body_every_upgrade_is_refused(line: str, framing: str, protocol: str) -> None:  # C36
    # The parser stops at Upgrade: what follows the head would be the next request, or be missing upstream
    refusal(UpgradeRejected, line, session(), f"Upgrade: {protocol}", framing, gate=GATE, upgrade=True)


def test_without_a_credential_an_ignored_upgrade_opens_nothing() -> None:
    refusal(CredentialMissing, "GET /rest/items", "Upgrade: h2c", "Connection: Upgrade", upgrade=True)
    refusal(TokenRejected, "GET /rest/items", session("x.y.z"), "Upgrade: h2c", upgrade=True)
    foreign = (session(), "Origin: https://evil.test", "Upgrade: h2c")
    refusal(OriginDenied, "DELETE /rest/items", *foreign, upgrade=True)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_a_websocket_is_opened_by_get_alone(method: str) -> None:  # RFC 6455 section 4.1
    refusal(UpgradeRejected, f"{method} /chat/room", session(), *HANDSHAKE, gate=GATE, upgrade=True)


@pytest.mark.parametrize("framing", ["Content-Length: 2", "Content-Length: 0", "Transfer-Encoding: chunked"])
def test_a_handshake_has_no_body_that_the_parser_could_lose(framing: str) -> None:  # C36
    refusal(UpgradeRejected, "GET /chat/room", session(), *HANDSHAKE, framing, gate=GATE, upgrade=True)


def test_http_1_0_has_no_upgrade() -> None:
    refusal(UpgradeRejected, "GET /chat/room", session(), *HANDSHAKE, gate=GATE, upgrade=True, version="1.0")
    found = decide("GET /chat/room", session(), "Upgrade: h2c", gate=GATE, upgrade=True, version="1.0")
    assert not found.upgrades


def test_another_sites_page_opens_no_websocket_with_our_cookies() -> None:
    for origin in ("https://evil.test", "null", "http://gw.test"):
        foreign = (session(), *HANDSHAKE, f"Origin: {origin}")
        refusal(OriginDenied, "GET /chat/room", *foreign, gate=GATE, upgrade=True)
    for origin in ("https://gw.test", "https://app.test"):
        assert decide(
            "GET /chat/room", session(), f"Origin: {origin}", *HANDSHAKE, gate=GATE, upgrade=True
        ).upgrades


def test_a_websocket_needs_the_credential_that_its_route_needs() -> None:
    refusal(CredentialMissing, "GET /chat/room", *HANDSHAKE, gate=GATE, upgrade=True)
    refusal(TokenRejected, "GET /chat/room", session("x.y.z"), *HANDSHAKE, gate=GATE, upgrade=True)
