"""Services of the same origin neither set nor clear the session's cookies, however they spell them."""

import pytest

from app.core.session.cookie_names import HOST_PREFIX, CookieNames
from app.core.session.session_guard import without_session

from .builders import NAMES

HOST_NAMES = CookieNames(b"access_token", b"refresh_token", prefix=HOST_PREFIX)
PREFIXED = CookieNames(b"__Host-sid", b"__Secure-r")

SESSION = [
    b"access_token=theirs; Path=/", b"refresh_token=; Max-Age=0", b"ACCESS_Token=x", b" access_token =x",
    b"\taccess_token\t= x", b"__Host-access_token=x; Secure; Path=/", b"__hOST-REFRESH_token=x",
    b"access_token",
    b"=access_token=x", b"== access_token=x; Path=/rest", b"access_token=a=b",
]  # fmt: skip
OTHERS = [
    b"theme=dark", b"xaccess_token=1", b"access_token2=1", b"a=access_token=1", b"access token=1", b"",
    b"a; access_token=1", b"__Secure-access_token=1", b"access%5Ftoken=1", b'"access_token"=1',
]  # fmt: skip


@pytest.mark.parametrize("names", [NAMES, HOST_NAMES], ids=["plain", "prefixed"])
@pytest.mark.parametrize("value", SESSION)
def test_the_sessions_cookies_are_left_out(value: bytes, names: CookieNames) -> None:
    lines = [b"A: 1\r\n", b"Set-Cookie: " + value + b"\r\n", b"Set-Cookie: b=1\r\n"]
    kept, left_out = without_session(lines, names)
    assert kept == [lines[0], lines[2]]
    assert left_out.startswith("Set-Cookie: ")
    assert "theirs" not in left_out


@pytest.mark.parametrize("value", OTHERS)
def test_every_other_cookie_passes_as_written(value: bytes) -> None:
    lines = [b"set-cookie:" + value + b"\r\n"]
    assert without_session(lines, NAMES) == (lines, "")


@pytest.mark.parametrize("name", [b"__Host-sid", b"__HOST-SID", b"__Secure-r", b"__host-__secure-r"])
def test_names_with_a_prefix_of_their_own_are_guarded_as_well(name: bytes) -> None:
    assert without_session([b"Set-Cookie: " + name + b"=1\r\n"], PREFIXED)[0] == []
    assert without_session([b"Set-Cookie: a=1\r\n"], PREFIXED)[1] == ""


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b'"cookies"', []),
        (b'"*"', []),
        (b'"cache", "Cookies", "storage"', [b'Clear-Site-Data: "cache", "storage"\r\n']),
        (b'"cache"', [b'Clear-Site-Data: "cache"\r\n']),
    ],
)
def test_no_service_clears_cookies_of_this_origin(value: bytes, kept: list[bytes]) -> None:
    found, left_out = without_session([b"Clear-Site-Data: " + value + b"\r\n"], NAMES)
    assert found == kept
    assert left_out == ("" if value == b'"cache"' else "Clear-Site-Data")
