"""Cookies written: what SQL set leaves the gateway hardened, and a session that ends goes everywhere."""

from http.cookies import SimpleCookie

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.session.cookie_names import HOST_PREFIX, SESSION_PATHS, CookieNames
from app.core.session.cookies import (
    clear,
    clear_session,
    deletes,
    finish,
    harden,
    name_of,
    read_session,
    replaced,
)
from app.errors import GatewayError

from .builders import NAMES
from .properties import tried

cookie_values = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='",;\\'), min_size=1
).map(str.encode)


@tried
@given(cookie_values, st.booleans())
def test_a_written_value_is_read_again(value: bytes, secure: bool) -> None:  # noqa: FBT001
    written = harden(b"access_token=%b; Path=/" % value, secure=secure)
    kept_by_the_browser = written.partition(b";")[0]
    assert read_session(kept_by_the_browser, NAMES).access == value


@tried
@given(cookie_values)
def test_the_standard_library_reads_the_same_from_what_is_written(value: bytes) -> None:
    jar = SimpleCookie(harden(b"access_token=%b; Path=/rpc; Max-Age=600" % value, secure=True).decode())
    morsel = jar["access_token"]
    assert (morsel.value, morsel["path"], morsel["max-age"]) == (value.decode(), "/rpc", "600")
    assert (morsel["httponly"], morsel["secure"], morsel["samesite"]) == (True, True, "Lax")


@tried
@given(st.binary(max_size=60))
@example(b"access_token=x\r\nX-Evil: 1")
def test_no_value_breaks_out_of_its_header(value: bytes) -> None:
    try:
        written = harden(value, secure=True)
    except GatewayError:
        return
    assert not set(written) & set(b"\r\n\x00")


@pytest.mark.parametrize("value", [b"a=b\r\nX-Evil: 1", b"a=b\nc", b"a=b\x00; Path=/", b"a=b; Path=/\r"])
def test_a_value_of_sqls_with_a_line_end_fails_closed(value: bytes) -> None:  # B38
    with pytest.raises(GatewayError):
        harden(value, secure=False)


@pytest.mark.parametrize(
    ("written", "hardened"),
    [
        (b"a=b", b"a=b; HttpOnly; SameSite=Lax; Secure"),
        (b"a=b; Path=/; HttpOnly;", b"a=b; Path=/; HttpOnly; SameSite=Lax; Secure"),
        (b"a=b;path=/;httponly;samesite=strict;secure", b"a=b; path=/; httponly; samesite=strict; secure"),
        (b"a=b; SameSite = None; Secure", b"a=b; SameSite = None; Secure; HttpOnly"),
        (b" a=b ; ; Max-Age=600 ", b"a=b; Max-Age=600; HttpOnly; SameSite=Lax; Secure"),
        (b"a=HttpOnly", b"a=HttpOnly; HttpOnly; SameSite=Lax; Secure"),
        (b"a=b; X-HttpOnly=1; Insecure", b"a=b; X-HttpOnly=1; Insecure; HttpOnly; SameSite=Lax; Secure"),
    ],
)
def test_what_sql_wrote_is_kept_in_order_and_hardened(written: bytes, hardened: bytes) -> None:
    assert harden(written, secure=True) == hardened


def test_secure_is_left_out_for_a_client_that_came_by_http() -> None:
    assert harden(b"a=b", secure=False) == b"a=b; HttpOnly; SameSite=Lax"
    assert harden(b"a=b; Secure", secure=False) == b"a=b; Secure; HttpOnly; SameSite=Lax"


@tried
@given(cookie_values, st.lists(st.sampled_from([b"HttpOnly", b"secure", b"Path=/", b"SameSite=Strict", b""])))
def test_hardening_twice_is_hardening_once(value: bytes, attributes: list[bytes]) -> None:
    once = harden(b"; ".join([b"a=" + value, *attributes]), secure=True)
    assert harden(once, secure=True) == once


@pytest.mark.parametrize(
    ("written", "gone"),
    [
        (b"access_token=", True),
        (b"access_token=; Path=/", True),
        (b"access_token= ; Path=/", True),
        (b"access_token=x; Max-Age=0", True),
        (b"access_token=x; max-age = -1; Path=/", True),
        (b"access_token=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),  # the recipes' own
        (b"access_token=x; path=/; expires=Thu, 01-Jan-1970 00:00:00 GMT;", True),
        (b"access_token=x", False),
        (b"access_token=x; Max-Age=600", False),
        (b"access_token=x; Max-Age=0600", False),
        (b"access_token=max-age=0", False),
        (b"access_token=x; Path=/1970", False),
        (b"access_token=x; Expires=Fri, 01 Jan 2100 00:00:00 GMT", False),
        (b"access_token=x; X-Max-Age=0", False),
        (
            b"access_token=x; Max-Age=600; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            False,
        ),  # RFC 6265 section 5.3
    ],
)
def test_a_cookie_without_a_value_or_a_future_is_deleted(written: bytes, gone: bool) -> None:  # noqa: FBT001
    assert deletes(written) is gone


def test_an_age_may_have_any_number_of_digits() -> None:
    assert not deletes(b"access_token=x; Max-Age=" + b"9" * 5000)
    assert deletes(b"access_token=x; Max-Age=-" + b"9" * 5000)


def test_a_cookies_name_is_what_stands_before_the_first_equals_sign() -> None:
    assert name_of(b" access_token = a=b; Path=/") == b"access_token"
    assert name_of(b"; access_token=x") == b""


def test_clearing_a_session_clears_both_cookies_on_every_path_they_may_stand_on() -> None:
    cleared = clear_session(NAMES, secure=True)
    assert set(SESSION_PATHS) == {b"/", b"/rpc", b"/rpc/refresh_token"}
    assert sorted(cleared) == sorted(
        b"%b=; Path=%b; Max-Age=0; HttpOnly; SameSite=Lax; Secure" % (name, path)
        for name in (b"access_token", b"refresh_token")
        for path in SESSION_PATHS
    )
    assert all(deletes(value) for value in cleared)


def test_the_access_cookie_of_the_whole_site_is_cleared_last() -> None:
    """Some clients heed only the last of several removals in one answer."""
    assert clear_session(NAMES, secure=False)[-1] == clear(b"access_token", b"/", secure=False)


def test_a_login_keeps_the_cookies_of_sql_in_order() -> None:
    written = [b"refresh_token=R; Path=/rpc/refresh_token", b"access_token=A; Path=/", b"theme=dark"]
    assert finish(written, NAMES, secure=False) == [
        b"refresh_token=R; Path=/rpc/refresh_token; HttpOnly; SameSite=Lax",
        b"access_token=A; Path=/; HttpOnly; SameSite=Lax",
        b"theme=dark",
    ]


def test_a_logout_ends_the_session_on_every_path_and_keeps_other_cookies() -> None:
    written = [
        b"access_token=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT;",
        b"theme=dark",
        b"refresh_token=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT;",
    ]
    assert finish(written, NAMES, secure=True) == [
        b"theme=dark",
        *clear_session(NAMES, secure=True),
    ]


def test_deleting_some_other_cookie_ends_nothing() -> None:
    written = [b"theme=; Max-Age=0", b"access_token=A"]
    assert finish(written, NAMES, secure=False) == [written[0], harden(written[1], secure=False)]


@pytest.mark.parametrize(
    "written",
    [b"theme=dark", b"theme=dark ;Path = /;; SameSite=None; Secure", b" a = b ", b"Access_Token=x"],
)
def test_other_cookies_are_byte_for_byte_as_sql_wrote_them(written: bytes) -> None:
    for secure in (True, False):
        assert finish([written, b"access_token=A"], NAMES, secure=secure)[0] == written


def test_a_cleared_cookie_stays_on_its_path() -> None:
    assert clear(b"a", b"/b", secure=False) == b"a=; Path=/b; Max-Age=0; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize(
    ("written", "path", "paths"),
    [
        (b"refresh_token=r2; Path=/; HttpOnly", b"/rpc/refresh_token", [b"/rpc/refresh_token"]),
        (b"refresh_token=r2; HttpOnly; path = /", b"/rpc/refresh_token", [b"/rpc/refresh_token"]),
        (b"refresh_token=r2; Path=/", b"/rest/rpc/refresh_token", []),  # an old one is not sent there
        (b"refresh_token=r2; Path=/", b"/rpc/login", []),
        (b"refresh_token=r2; Path=/rpc/refresh_token", b"/rpc/refresh_token", []),  # it replaces itself
        (b"refresh_token=; Path=/", b"/rpc/refresh_token", []),
        (b"access_token=a; Path=/", b"/rpc/refresh_token", []),
    ],
)
def test_a_new_refresh_cookie_replaces_the_one_that_has_a_path_of_its_own(
    written: bytes, path: bytes, paths: list[bytes]
) -> None:
    prefixed = CookieNames(b"access_token", b"refresh_token", prefix=HOST_PREFIX)
    found = replaced([b"x=y", written], NAMES, path, secure=False)
    assert found == [clear(b"refresh_token", each, secure=False) for each in paths]
    assert replaced([written], prefixed, path, secure=True) == []
