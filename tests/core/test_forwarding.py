"""Forwarding: only a trusted peer's word about the client counts, and only as far back as trust reaches."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.http.forwarding import Client, TrustedProxies, Unreadable, public_host, sql_headers
from app.core.http.headers import Header, RequestHeaders
from app.errors import LoopDetected

from .builders import PROXIES
from .properties import tried

PROXY = "10.0.0.1"


HOPS = b"192.0.2.1, 10.0.0.3, 10.0.0.2"  # the client, and two proxies of ours besides the peer


def client(
    forwarded_for: bytes = b"",
    proto: bytes = b"",
    host: bytes = b"",
    *more: Header,
    peer: str = PROXY,
    scheme: str = "http",
    proxies: TrustedProxies = PROXIES,
    own_host: bytes = b"gw.test",
) -> Client:
    told = ((b"x-forwarded-for", forwarded_for), (b"x-forwarded-proto", proto), (b"x-forwarded-host", host))
    fields = [(name, value) for name, value in told if value] + [(b"host", own_host), *more]
    return proxies.find(proxies.peer(peer, scheme), RequestHeaders(fields), "1.1")


def unread(*fields: Header, peer: str = PROXY) -> list[Unreadable]:
    """What a trusted proxy of a fresh gateway sent in vain."""
    proxies = TrustedProxies([ip_network("10.0.0.0/8")])
    client(b"", b"", b"", *fields, peer=peer, proxies=proxies)
    return proxies.take_unreadable()


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
        (b"::ffff:192.0.2.1", "192.0.2.1"),
        (b"2001:DB8:0:0::1", "2001:db8::1"),
        (b"192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1"),
        (b" ,, 192.0.2.1 ,\t,", "192.0.2.1"),
        (b"192.0.2.1, unknown", PROXY),
        (b"192.0.2.1, _hidden", PROXY),
        # As Azure's gateways, IIS and RFC 7239 write them
        (b"192.0.2.1:4711", "192.0.2.1"),
        (b"[2001:db8::1]:443", "2001:db8::1"),
        (b"[2001:db8::1]", "2001:db8::1"),
        (b'"[2001:db8::1]:443"', "2001:db8::1"),
        (b'"192.0.2.1"', "192.0.2.1"),
        (b"[::ffff:192.0.2.1]:80", "192.0.2.1"),
        (b"192.0.2.1:4711, 10.0.0.2:5", "192.0.2.1"),
        (b"203.0.113.5:1, 192.0.2.1:4711, [fd00::2]:443, 10.0.0.2:1", "192.0.2.1"),
        (b"fe80::1%eth0", "fe80::1"),
        (b"[fe80::1%25eth0]:1", "fe80::1"),
        (b"192.0.2.1:", PROXY),
        (b"192.0.2.1:http", PROXY),
        (b"192.0.2.1:123456", PROXY),
        (b"[192.0.2.1", PROXY),
        (b"[]", PROXY),
        (b"[::1]x", PROXY),
        (b"for=192.0.2.1", PROXY),
        (b"1" * 60_000, PROXY),
        (b"::1%<script>", PROXY),
        (b"192.0.2.1, \xff\xfe", PROXY),
        (b"192.0.2.\xb9", PROXY),
        (b"192.0.2.1, 999.1.1.1", PROXY),
        (b"localhost", PROXY),
    ],
)
def test_the_client_is_the_last_address_that_no_proxy_of_ours_has(chain: bytes, address: str) -> None:
    assert client(chain).address == address


@pytest.mark.parametrize(
    ("chain", "told"),
    [
        (b"", b"10.0.0.1"),
        (b"192.0.2.1", b"192.0.2.1, 10.0.0.1"),
        (b"192.0.2.1:4711, [fd00::2]:443", b"192.0.2.1, fd00::2, 10.0.0.1"),
        (b"203.0.113.5, 192.0.2.1", b"192.0.2.1, 10.0.0.1"),  # many a service takes the first one
        (b"192.0.2.1, unknown", b"10.0.0.1"),
    ],
)
def test_the_upstream_is_told_the_part_of_the_chain_that_is_known(chain: bytes, told: bytes) -> None:
    lines = client(chain, b"https").lines
    assert lines == (
        b"Via: 1.1 postgate\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: " % told
    )


def test_a_row_of_proxies_has_an_end() -> None:
    found = client(b", ".join([b"10.0.0.7"] * 10_000))
    assert (found.address, found.lines.count(b"10.0.0.7")) == ("10.0.0.7", 32)


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        (b"https", "https"),
        (b"HTTPS", "https"),
        (b"wss", "https"),  # Traefik, for a WebSocket's handshake
        (b"Wss", "https"),
        (b"ws", "http"),
        (b" \thttps ", "https"),
        (b'"https"', "https"),
        (b"http", "http"),
        (b"", "http"),
        (b"https, http", "http"),
        (b"http,https", "https"),
        (b"ws,wss", "https"),
    ],
)
def test_the_scheme_is_what_the_proxy_says(proto: bytes, scheme: str) -> None:
    found = client(b"192.0.2.1", proto)
    assert found.scheme == scheme
    assert b"\r\nX-Forwarded-Proto: %b\r\n" % scheme.encode() in found.lines


@pytest.mark.parametrize("own", ["http", "https"])
@pytest.mark.parametrize("proto", [b"", b"ftp", b"on", b"https\x00", b"https:", b"httpss", b",", b"https,"])
def test_without_a_word_of_the_proxys_the_scheme_is_the_connections(proto: bytes, own: str) -> None:
    assert client(b"192.0.2.1", proto, scheme=own).scheme == own


@pytest.mark.parametrize(
    ("chain", "proto", "scheme"),
    [
        (HOPS, b"https, http, http", "https"),  # each of the three has added its own
        (HOPS, b"http, https, http, http", "https"),  # and the client one in front
        (HOPS, b"https, http", "https"),  # the outermost wrote none, or the next one wrote it anew
        (HOPS, b"https", "https"),
        (b"192.0.2.1, 10.0.0.2", b"https, http, http", "http"),
        (b"192.0.2.1", b"https, http, http", "http"),
        (b"10.0.0.3, 192.0.2.1", b"https, http", "http"),  # the client invents a proxy
    ],
)
def test_of_a_list_the_outermost_proxys_word_counts(chain: bytes, proto: bytes, scheme: str) -> None:
    assert client(chain, proto).scheme == scheme


def test_hosts_and_ports_are_walked_like_addresses() -> None:
    lists = (b"evil.test, app.example, inner.test, b.test", (b"x-forwarded-port", b"1, 8443, 80, 8080"))
    found = client(HOPS, b"https, http, http", *lists)
    assert (found.host, found.port) == (b"app.example", b"8443")


def test_lines_of_one_name_are_one_list() -> None:
    proto = (b"x-forwarded-proto", b"http")
    assert client(b"192.0.2.1", b"https", b"", proto).scheme == "http"
    assert client(b"192.0.2.1, 10.0.0.2", b"https", b"", proto).scheme == "https"


@pytest.mark.parametrize(
    ("host", "port", "known", "public"),
    [
        (b"lan.test", b"8540", b"8540", b"lan.test:8540"),
        (b"[2001:db8::1]", b"8540", b"8540", b"[2001:db8::1]:8540"),
        (b"lan.test", b"08540", b"8540", b"lan.test:8540"),
        (b"lan.test:81", b"8540", b"", b"lan.test:81"),  # Host knows better
        (b"[2001:db8::1]:81", b"8540", b"", b"[2001:db8::1]:81"),
        (b"lan.test", b"443", b"", b"lan.test"),
        (b"lan.test", b"80", b"", b"lan.test"),
        (b"lan.test", b"", b"", b"lan.test"),
        (b"lan.test", b"0", b"", b"lan.test"),
        (b"lan.test", b"65536", b"", b"lan.test"),
        (b"lan.test", b"8540x", b"", b"lan.test"),
    ],
)
def test_a_port_that_host_lacks_is_the_proxys_to_say(
    host: bytes, port: bytes, known: bytes, public: bytes
) -> None:
    more = [(b"x-forwarded-port", port)] if port else []
    found = client(b"192.0.2.1", b"http", b"", *more, own_host=host)
    assert (found.host, found.port, public_host(found)) == (host, known, public)
    assert (b"\r\nX-Forwarded-Port: 8540\r\n" in found.lines) is bool(known)


def test_a_stranger_says_nothing() -> None:
    claims = [(b"x-forwarded-port", b"8540"), (b"forwarded", b"for=192.0.2.9"), (b"x-real-ip", b"192.0.2.9")]
    found = client(b"192.0.2.1", b"https", b"evil.test", *claims, peer="198.51.100.7")
    assert found[:3] == ("198.51.100.7", "http", b"gw.test")
    assert unread((b"x-forwarded-for", b"unknown"), *claims, peer="198.51.100.7") == []


FOR, PROTO = (b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-proto", b"https")


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ([FOR, PROTO], []),
        ([], []),  # a machine of the proxies' network that asks for itself
        ([(b"x-forwarded-for", b"192.0.2.1, unknown")], [("x-forwarded-for", "unknown")]),
        ([(b"x-forwarded-for", b"unknown, 192.0.2.1")], []),  # the client's to invent
        ([FOR, (b"x-forwarded-proto", b"on")], [("x-forwarded-proto", "on")]),
        ([FOR, PROTO, (b"x-forwarded-host", b"a b")], [("x-forwarded-host", "a b")]),
        ([FOR, PROTO, (b"x-forwarded-port", b"http")], [("x-forwarded-port", "http")]),
        ([(b"forwarded", b"for=192.0.2.1;proto=https")], [("forwarded", "")]),
        ([(b"x-real-ip", b"192.0.2.1")], [("x-real-ip", "")]),
        ([FOR, (b"x-forwarded-ssl", b"on")], [("x-forwarded-ssl", "")]),
        ([FOR, (b"front-end-https", b"on")], [("front-end-https", "")]),
        ([FOR, PROTO, (b"forwarded", b"for=x"), (b"x-forwarded-ssl", b"on"), (b"x-real-ip", b"1")], []),
    ],
)
def test_what_a_trusted_proxy_says_in_vain_is_reported(
    fields: list[Header], found: list[tuple[str, str]]
) -> None:
    assert unread(*fields) == [Unreadable(PROXY, *each) for each in found]


def test_it_is_reported_once_for_each_proxy_and_header() -> None:
    proxies = TrustedProxies([ip_network("10.0.0.0/8")])
    for number in range(3):
        client(b"unknown%d" % number, b"https", proxies=proxies)
    client(b"_x", b"on", peer="10.0.0.2", proxies=proxies)
    assert [(each.peer, each.field) for each in proxies.take_unreadable()] == [
        ("10.0.0.1", "x-forwarded-for"),
        ("10.0.0.2", "x-forwarded-for"),
        ("10.0.0.2", "x-forwarded-proto"),
    ]
    client(b"unknown", proxies=proxies)
    assert proxies.take_unreadable() == []


def test_an_ipv4_client_of_a_listener_on_both_families_has_its_ipv4_address() -> None:
    assert PROXIES.peer("::ffff:198.51.100.7", "http").address == "198.51.100.7"
    assert PROXIES.peer("", "http").address == ""


def test_sql_reads_the_facts_and_none_of_the_claims() -> None:
    found = client(b"192.0.2.1", b"wss", b"app.example")
    claims = [(b"x-real-ip", b"1.2.3.4"), (b"x-forwarded-for", b"1.2.3.4"), (b"x_auth_subject", b"root")]
    sent = [(b"accept", b"*/*"), *claims, (b"connection", b"x-a"), (b"x-a", b"1"), (b"cookie", b"a=b")]
    assert sql_headers(sent, found) == [
        (b"accept", b"*/*"),
        (b"cookie", b"a=b"),
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"app.example"),
    ]


@pytest.mark.parametrize("host", [b"app.example", b"app.example:8443", b"[2001:db8::1]:80"])
def test_the_host_is_what_the_proxy_was_asked_for(host: bytes) -> None:
    assert client(host=host).host == host


@pytest.mark.parametrize(
    "host",
    [
        b"",
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
