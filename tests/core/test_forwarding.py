"""Forwarding: only a trusted peer's word about the client counts, and only as far back as trust reaches."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.forwarding import Client, TrustedProxies
from app.core.headers import RequestHeaders
from app.errors import LoopDetected

from .builders import PROXIES
from .properties import tried

PROXY = "10.0.0.1"


def client(forwarded_for: bytes = b"", proto: bytes = b"", host: bytes = b"", *, peer: str = PROXY) -> Client:
    return PROXIES.client(PROXIES.peer(peer, "http"), forwarded_for, proto, host, b"gw.test")


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.0.0.1", True),
        ("10.255.255.255", True),
        ("fd00::7", True),
        ("::ffff:10.0.0.1", True),  # an IPv4 peer of a listener on `::`
        ("11.0.0.1", False),
        ("198.51.100.7", False),
        ("2001:db8::1", False),
        ("::ffff:11.0.0.1", False),
        ("fe80::1%eth0", False),
        ("", False),  # a Unix socket
        ("unix:", False),
        ("010.0.0.1", False),
        ("10.0.0.1:80", False),
        ("10.0.0.1 ", False),
    ],
)
def test_a_peer_is_trusted_by_its_address_alone(address: str, trusted: bool) -> None:  # noqa: FBT001
    assert PROXIES.peer(address, "http").trusted is trusted


def test_nobody_is_trusted_unless_named() -> None:
    assert not TrustedProxies([]).peer("127.0.0.1", "http").trusted
    assert TrustedProxies([ip_network("127.0.0.0/8")]).peer("127.0.0.1", "http").trusted


def test_the_upstream_is_told_the_peer_and_its_scheme() -> None:
    lines = PROXIES.peer("198.51.100.7", "https").lines
    assert lines == (
        b"Via: 1.1 postgate\r\nX-Forwarded-For: 198.51.100.7\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: "
    )


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        (b"", PROXY),
        (b"192.0.2.1", "192.0.2.1"),
        (b"127.0.0.1, 192.0.2.1", "192.0.2.1"),  # the first entry is the client's to invent
        (b"10.0.0.9, 192.0.2.1", "192.0.2.1"),
        (b"192.0.2.1, 10.0.0.2", "192.0.2.1"),  # two proxies of ours
        (b"203.0.113.5, 192.0.2.1, fd00::2, 10.0.0.2", "192.0.2.1"),
        (b"10.0.0.3, 10.0.0.2", "10.0.0.3"),  # one of our own machines asks
        (b"2001:db8::1", "2001:db8::1"),
        (b"::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        (b"192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1"),
        (b" ,, 192.0.2.1 ,\t,", "192.0.2.1"),
        (b"192.0.2.1, unknown", PROXY),
        (b"192.0.2.1, _hidden", PROXY),
        (b"192.0.2.1:4711", PROXY),
        (b"[2001:db8::1]", PROXY),
        (b'"192.0.2.1"', PROXY),
        (b"::1%<script>", PROXY),
        (b"fe80::1%eth0", PROXY),
        (b"192.0.2.1, \xff\xfe", PROXY),
        (b"192.0.2.\xb9", PROXY),
        (b"192.0.2.1, 999.1.1.1", PROXY),
        (b"localhost", PROXY),
    ],
)
def test_the_client_is_the_last_address_that_no_proxy_of_ours_has(chain: bytes, address: str) -> None:
    assert client(chain).address == address


def test_a_chain_goes_on_with_the_peer_added() -> None:
    lines = client(b"203.0.113.5, 192.0.2.1", b"https").lines
    assert lines.startswith(
        b"Via: 1.1 postgate\r\n"
        b"X-Forwarded-For: 203.0.113.5, 192.0.2.1, 10.0.0.1\r\nX-Forwarded-Proto: https\r\n"
    )


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        (b"https", "https"),
        (b"HTTPS", "https"),
        (b"http", "http"),
        (b"", "http"),
        (b"ftp", "http"),
        (b"https, http", "http"),
        (b"https\x00", "http"),
    ],
)
def test_the_scheme_is_https_only_when_the_proxy_says_just_that(proto: bytes, scheme: str) -> None:
    assert client(b"192.0.2.1", proto).scheme == scheme


def test_without_a_word_of_the_proxys_the_scheme_is_the_connections() -> None:
    peer = PROXIES.peer(PROXY, "https")
    assert PROXIES.client(peer, b"192.0.2.1", b"", b"", b"gw.test").scheme == "https"


@pytest.mark.parametrize("host", [b"app.example", b"app.example:8443", b"[2001:db8::1]:80"])
def test_the_host_is_what_the_proxy_was_asked_for(host: bytes) -> None:
    assert client(host=host).host == host


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"a, b",
        b"a@b",
        b"evil.test/x?",
        b"a b",
        b"a\r\nX: 1",
        b"\xc3\xa9.test",
        b"a:99999",
        b"[::1",
        b"<b>",
    ],
)
def test_a_host_that_is_none_is_left_for_the_requests_own(host: bytes) -> None:
    assert client(host=host).host == b"gw.test"


@tried
@given(st.binary(max_size=60), st.binary(max_size=10), st.binary(max_size=20))
def test_any_bytes_are_read_as_forwarding_headers(chain: bytes, proto: bytes, host: bytes) -> None:
    found = client(chain, proto, host)
    assert found.scheme in {"http", "https"}
    assert set(found.address) <= set("0123456789abcdefABCDEF:.")


def told(via: str, name: bytes = b"postgate-1") -> Client:
    proxies = TrustedProxies([], name)
    fields = [(b"via", each.encode()) for each in via.split("|")] if via else []
    return proxies.find(proxies.peer("198.51.100.7", "http"), RequestHeaders(fields), "1.1")


@pytest.mark.parametrize(
    "via",
    [
        "",
        "1.1 postgate-1",
        "1.0 fred, 1.1 postgate-1, 2 caddy",
        "1.1 postgate-2, 1.1 postgate-2",
        "1.1 postgate",
    ],
)
def test_a_request_may_pass_once_and_be_passed_on_by_others(via: str) -> None:
    """A service behind the gateway may hand a request back to it, for another path."""
    assert told(via).lines.startswith(b"Via: 1.1 postgate-1\r\n")


@pytest.mark.parametrize(
    "via",
    [
        "1.1 postgate-1, 1.1 postgate-1",
        "1.1 postgate-1, 1.1 other, 1.1 postgate-1",
        "1.1 postgate-1|1.0 postgate-1",
    ],
)
def test_a_request_that_passed_twice_goes_round(via: str) -> None:
    with pytest.raises(LoopDetected):
        told(via)
