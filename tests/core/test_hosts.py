"""The Host field: a name or address with a port that exists, and nothing that could be read as more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.http.hosts import is_host, origin_of

from .properties import tried


@pytest.mark.parametrize(
    "host",
    [
        b"gw.test",
        b"GW.test",
        b"gw.test:443",
        b"gw.test:65535",
        b"gw.test.",
        b"my_app:8000",
        b"localhost",
        b"192.0.2.1",
        b"192.0.2.1:80",
        b"[2001:db8::1]",
        b"[::1]:8000",
        b"xn--caf-dma.test",
    ],
)
def test_a_host_is_a_name_or_an_address_and_perhaps_a_port(host: bytes) -> None:
    assert is_host(host)
    assert is_host(host)  # remembered, and the same


@pytest.mark.parametrize(
    "host",
    [
        b"",  # B23, each of them
        b"a@gw.test",
        b"gw.test/x",
        b"a@gw.test/x?",
        b"gw.test x",
        b"gw.test\t",
        b" gw.test",
        b"gw.test:99999",
        b"gw.test:65536",
        b"gw.test:123456",
        b"gw.test:-1",
        b"gw.test:80:80",
        b"gw.test:port",
        b":80",
        b"[::1",
        b"::1",
        b"[]",
        b"[gw.test]",
        b"[::1]x",
        b"gw.test?",
        b"gw.test#",
        b"gw.test\\x",
        b"gw.test\x00",
        b"gw.test\r\nX: 1",
        b"gw.test\n",
        b"gw.t\xc3\xa9st",
        b"https://gw.test",
        b"<gw.test>",
    ],
)
def test_anything_more_is_no_host(host: bytes) -> None:
    assert not is_host(host)


@tried
@given(st.binary(max_size=30))
def test_no_host_holds_what_would_end_an_authority(host: bytes) -> None:
    assert not is_host(host) or not set(host) & set(b"@/?#\\ \t\r\n\x00")


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("https", b"gw.test", b"https://gw.test"),
        ("https", b"GW.Test:443", b"https://gw.test"),
        ("http", b"gw.test:80", b"http://gw.test"),
        ("http", b"gw.test:443", b"http://gw.test:443"),
        ("https", b"gw.test:80", b"https://gw.test:80"),
        ("https", b"gw.test:8443", b"https://gw.test:8443"),
        ("https", b"[::1]:443", b"https://[::1]"),
        ("http", b"[::80]", b"http://[::80]"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(scheme: str, host: bytes, origin: bytes) -> None:
    assert origin_of(scheme, host) == origin
