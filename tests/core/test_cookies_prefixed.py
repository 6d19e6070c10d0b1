"""Cookies with the `__Host-` prefix (RFC 6265bis section 4.1.3.2): no sibling domain can set them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.session.cookie_names import HOST_PREFIX, SESSION_PATHS, ClientCookieNames, CookieNames
from app.core.session.cookies import (
    SessionCookies,
    clear_session,
    deletes,
    finish,
    name_of,
    plain_cookies,
    read_session,
    under_prefix,
)
from app.errors import CredentialMissing, GatewayError

from .builders import NAMES, decide, gateway, mint, refusal
from .properties import tried

HOST_NAMES = CookieNames(b"access_token", b"refresh_token", prefix=HOST_PREFIX)
GATE = gateway(cookies=ClientCookieNames(HOST_NAMES, HOST_NAMES))


# --- read


@pytest.mark.parametrize(
    ("header", "access", "refresh", "others"),
    [
        (b"__Host-access_token=A", b"A", None, b""),
        (b"x=1; __Host-access_token=A; __Host-refresh_token=R; y=2", b"A", b"R", b"x=1; y=2"),
        (b"access_token=B; __Host-access_token=A", b"A", None, b""),  # E03: tossed, and nobody's
        (b"__Host-access_token=A; access_token=B; refresh_token=S", b"A", None, b""),
        (b"access_token=B", None, None, b""),
        (b"refresh_token=S; x=1", None, None, b"x=1"),
        (b"access_token; x=1", None, None, b"x=1"),  # a value without a name
        (b" access_token = B ; x=1", None, None, b"x=1"),
        # E05: only the exact name is read
        (b"\xe2\x80\x80__Host-access_token=B", None, None, b"\xe2\x80\x80__Host-access_token=B"),
        (b"__host-access_token=x", None, None, b"__host-access_token=x"),
        (b"=__Host-access_token=B", None, None, b"=__Host-access_token=B"),
        (b"__Host-Access_Token=B", None, None, b"__Host-Access_Token=B"),
        (b"__Secure-access_token=B", None, None, b"__Secure-access_token=B"),
        (b"__Host-__Host-access_token=B", None, None, b"__Host-__Host-access_token=B"),
    ],
)
def test_the_prefixed_names_alone_are_the_session(
    header: bytes, access: bytes | None, refresh: bytes | None, others: bytes
) -> None:
    assert read_session(header, HOST_NAMES) == SessionCookies(access, refresh, others, ambiguous=False)


def test_a_tossed_cookie_makes_nothing_ambiguous_and_two_of_ones_own_do() -> None:
    assert not read_session(b"__Host-access_token=A; access_token=B; access_token=C", HOST_NAMES).ambiguous
    assert read_session(b"__Host-access_token=A; __Host-access_token=B", HOST_NAMES).ambiguous


def test_a_tossed_session_is_no_credential_and_does_not_reach_the_upstream() -> None:
    tossed, mine = mint(sub="attacker"), mint(sub="u1")
    refusal(CredentialMissing, "GET /rest/items", f"Cookie: access_token={tossed}", gate=GATE)
    for header in (
        f"Cookie: access_token={tossed}; __Host-access_token={mine}; theme=dark",
        f"Cookie: __Host-access_token={mine}; theme=dark; access_token={tossed}; refresh_token=x",
    ):
        admitted = decide("GET /rest/items", header, gate=GATE)
        assert admitted.token is not None
        assert admitted.token.subject == "u1"
        assert tossed.encode() not in admitted.head
        assert b"\r\ncookie: theme=dark\r\n" in admitted.head


# --- for SQL


@pytest.mark.parametrize(
    ("header", "plain"),
    [
        (b"__Host-access_token=A; __Host-refresh_token=R", b"access_token=A; refresh_token=R"),
        (b"x=1; __Host-refresh_token=R=S==;y=2", b"x=1; y=2; refresh_token=R=S=="),
        (b"refresh_token=S; __Host-refresh_token=R", b"refresh_token=R"),
        (b"__Host-refresh_token=R; refresh_token=S", b"refresh_token=R"),  # SQL takes the last of two
        (b"refresh_token=S; access_token; x=1", b"x=1"),
        (b"\trefresh_token =S;x=1", b"x=1"),
        (b"__host-refresh_token=S", b"__host-refresh_token=S"),
        (b"", b""),
    ],
)
def test_sql_sees_the_session_by_its_plain_names(header: bytes, plain: bytes) -> None:
    assert plain_cookies(header, HOST_NAMES) == plain


@pytest.mark.parametrize(
    ("header", "plain"),
    [
        (b"refresh_token=S; a; __Host-access_token=A", b"a; __Host-access_token=A; refresh_token=S"),
        (b"\taccess_token = A ;refresh_token=S\t", b"access_token=A; refresh_token=S"),
        (b"refresh_token=S; refresh_token", b"refresh_token; refresh_token=S"),  # a value without a name
        (b"refresh_token=S; refresh_token=S", b"refresh_token=S"),
        (b"refresh_token=S; x=1; refresh_token=T", b"x=1"),  # refused before
    ],
)
def test_sql_sees_the_session_that_is_read_here_and_sees_it_last(header: bytes, plain: bytes) -> None:
    assert plain_cookies(header, NAMES) == plain


@tried
@given(st.lists(st.sampled_from([b"refresh_token", b"__Host-refresh_token", b"x", b" ", b"="]), max_size=12))
def test_no_arrangement_makes_a_tossed_cookie_the_one_that_sql_sees(pieces: list[bytes]) -> None:
    header = b"=".join(pieces) + b"; refresh_token=tossed;refresh_token = tossed"
    assert b"tossed" not in plain_cookies(header, HOST_NAMES)
    assert read_session(header, HOST_NAMES).refresh != b"tossed"


# --- written


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (b"access_token=A", b"__Host-access_token=A; Path=/; HttpOnly; SameSite=Lax; Secure"),
        (
            b"refresh_token=R; Path=/rpc/refresh_token; HttpOnly; Max-Age=60",
            b"__Host-refresh_token=R; Path=/; HttpOnly; Max-Age=60; SameSite=Lax; Secure",
        ),
        (
            b"access_token=A; Domain=example.org; path=/x; domain=.org; SameSite=Strict",
            b"__Host-access_token=A; Path=/; SameSite=Strict; HttpOnly; Secure",
        ),
        (b"access_token=A=B;secure", b"__Host-access_token=A=B; Path=/; HttpOnly; SameSite=Lax; Secure"),
        (b"__Host-access_token=A; Path=/", b"__Host-access_token=A; Path=/; HttpOnly; SameSite=Lax; Secure"),
        (b"access_token=; X=0", b"__Host-access_token=; Path=/; X=0; HttpOnly; SameSite=Lax; Secure"),
    ],
)  # fmt: skip
def test_a_cookie_of_the_session_leaves_as_browsers_demand_it(written: bytes, sent: bytes) -> None:
    assert under_prefix(written, HOST_NAMES) == sent
    assert under_prefix(sent, HOST_NAMES) == under_prefix(under_prefix(sent, HOST_NAMES), HOST_NAMES)


def test_other_cookies_are_as_sql_wrote_them() -> None:
    for written in (b"theme=dark; Domain=example.org; Path=/x", b"access=1", b"xaccess_token=1"):
        assert under_prefix(written, HOST_NAMES) == written
    assert under_prefix(b"access_token=A; Path=/x", NAMES) == b"access_token=A; Path=/x"


def test_a_login_sends_both_cookies_under_the_prefix_whatever_the_client_came_by() -> None:
    written = [b"refresh_token=R; Path=/rpc/refresh_token", b"access_token=A; Domain=b.c", b"theme=dark"]
    for secure in (True, False):
        assert finish(written, HOST_NAMES, secure=secure) == [
            b"__Host-refresh_token=R; Path=/; HttpOnly; SameSite=Lax; Secure",
            b"__Host-access_token=A; Path=/; HttpOnly; SameSite=Lax; Secure",
            b"theme=dark",
        ]


@pytest.mark.parametrize("name", [b"access_token", b"__Host-access_token"])
def test_a_logout_clears_the_prefixed_cookies_and_those_from_before(name: bytes) -> None:
    written = [b"theme=dark", name + b"=; Max-Age=0; Path=/rpc", b"refresh_token=; Max-Age=0"]
    theme, *cleared = finish(written, HOST_NAMES, secure=True)
    assert theme == b"theme=dark"
    assert cleared == clear_session(HOST_NAMES, secure=True)
    assert {(name_of(value), path_of(value)) for value in cleared} == {
        (b"__Host-access_token", b"/"),
        (b"__Host-refresh_token", b"/"),
        *((plain, path) for plain in (b"access_token", b"refresh_token") for path in SESSION_PATHS),
    }
    assert all(deletes(value) for value in cleared)
    assert name_of(cleared[-1]) == b"__Host-access_token"  # some clients heed only the last of several


def test_what_is_cleared_under_the_prefix_is_secure_or_browsers_would_not_heed_it() -> None:
    cleared = clear_session(HOST_NAMES, secure=False)
    assert all(b"Secure" in value for value in cleared if name_of(value).startswith(HOST_PREFIX))


@tried
@given(st.binary(max_size=60))
def test_whatever_sql_writes_a_prefixed_cookie_is_one_that_browsers_take(attributes: bytes) -> None:
    try:
        sent = under_prefix(b"access_token=A;" + attributes, HOST_NAMES)
    except GatewayError:
        return
    pair, *rest = sent.split(b"; ")
    names = [attribute.partition(b"=")[0].strip().lower() for attribute in rest]
    assert pair == b"__Host-access_token=A"
    assert b"domain" not in names
    assert b"Path=/" in rest
    assert names.count(b"path") == 1
    assert names.count(b"secure") == 1
    assert {b"httponly", b"samesite"} <= set(names)


def path_of(set_cookie: bytes) -> bytes:
    return set_cookie.partition(b"Path=")[2].partition(b";")[0]
