"""Which cookies a browser drops (RFC 6265bis section 5.7): each rule from both of its sides."""

import pytest

from app.core.session.cookie_rules import CookieContext, cookie_context, why_dropped
from app.core.session.cookies import finish
from app.errors import CookieUnusable

from .builders import NAMES

HOST = CookieContext(b"app.example.org:8443")
ELSEWHERE = CookieContext(b"app.example.org", is_cross_site=True)

KEPT = [
    (b"a=b", HOST),
    (b"a=" + b"x" * 4095, HOST),
    (b"a=b\tc", HOST),
    (b"a=", HOST),
    (b"a", HOST),
    (b"a=b; SameSite=None; Secure", HOST),
    (b"a=b; samesite=none; SECURE", ELSEWHERE),
    (b"a=b; SameSite=None; SameSite=Lax", HOST),  # the last one counts
    (b"a=b; Domain=example.org", HOST),
    (b"a=b; Domain=.Example.org", HOST),
    (b"a=b; Domain=app.example.org", HOST),
    (b"a=b; Domain=", HOST),
    (b"a=b; Domain=other.test; Domain=example.org", HOST),
    (b"a=b; Domain=anything.test", CookieContext()),
    (b"a=b; Domain=192.0.2.1", CookieContext(b"192.0.2.1:8000")),
    (b"a=b; Domain=localhost", CookieContext(b"localhost:8000")),
    (b"a=b; Domain=" + b"x" * 1025, HOST),  # too long an attribute is ignored
    (b"__Host-a=b; Path=/; Secure", HOST),
    (b"__Secure-a=b; Secure; Domain=example.org", HOST),
    (b"__Http-a=b; Secure; HttpOnly", HOST),
    (b"__Host-Http-a=b; Secure; HttpOnly; Path=/", HOST),
    (b"a=b; Partitioned; Secure", HOST),
    (b"_Host-a=b", HOST),
]
DROPPED = [
    (b"", HOST),
    (b"; Path=/", HOST),
    (b"=", HOST),
    (b"a=" + b"x" * 4096, HOST),
    (b"x" * 4097 + b"=", HOST),
    (b"x" * 4097, HOST),
    (b"a=b\x00", HOST),
    (b"a=b; Path=/\x1f", HOST),
    (b"a\x7f=b", HOST),
    (b"a=b; SameSite=None", HOST),
    (b"a=b; SameSite=Lax; sameSite = NONE", HOST),
    (b"a=b; Partitioned", HOST),
    (b"a=b; Domain=other.test", HOST),
    (b"a=b; Domain=ample.org", HOST),
    (b"a=b; Domain=org", HOST),
    (b"a=b; Domain=sub.app.example.org", HOST),
    (b"a=b; Domain=example.org; Domain=other.test", HOST),
    (b"a=b; Domain=0.2.1", CookieContext(b"192.0.2.1")),
    (b"a=b; Domain=example.org", CookieContext(b"[::1]:8000")),
    (b"__Host-a=b; Path=/", HOST),
    (b"__Host-a=b; Secure", HOST),
    (b"__Host-a=b; Secure; Path=/x", HOST),
    (b"__host-a=b; Secure; Path=/; Domain=app.example.org", HOST),
    (b"__Secure-a=b", HOST),
    (b"__secure-a=b; Path=/", HOST),
    (b"__Http-a=b; Secure", HOST),
    (b"__Host-Http-a=b; Secure; Path=/", HOST),
    (b"=__Host-a=b", HOST),
    (b"__Secure-a", HOST),
    (b"a=b", ELSEWHERE),
    (b"a=b; SameSite=Strict", ELSEWHERE),
    (b"a=b; SameSite=Lax; Secure", ELSEWHERE),
]


@pytest.mark.parametrize(("set_cookie", "context"), KEPT)
def test_a_browser_keeps(set_cookie: bytes, context: CookieContext) -> None:
    assert not why_dropped(set_cookie, context)


@pytest.mark.parametrize(("set_cookie", "context"), DROPPED)
def test_a_browser_drops(set_cookie: bytes, context: CookieContext) -> None:
    assert why_dropped(set_cookie, context)


def test_a_cookie_that_is_removed_may_be_of_another_site() -> None:
    assert not why_dropped(b"a=; Max-Age=0", ELSEWHERE, deletes=True)


@pytest.mark.parametrize(
    ("site", "mode", "dest", "elsewhere"),
    [
        (b"cross-site", b"cors", b"empty", True),
        (b"cross-site", b"navigate", b"iframe", True),
        (b"cross-site", b"navigate", b"document", False),
        (b"same-site", b"cors", b"empty", False),
        (b"same-origin", b"cors", b"empty", False),
        (b"none", b"navigate", b"document", False),
    ],
)
def test_a_browser_says_itself_whether_another_site_asks(
    site: bytes,
    mode: bytes,
    dest: bytes,
    elsewhere: bool,  # noqa: FBT001
) -> None:
    told = [(b"sec-fetch-site", site), (b"sec-fetch-mode", mode), (b"sec-fetch-dest", dest)]
    assert cookie_context(told, b"h") == CookieContext(b"h", is_cross_site=elsewhere)
    assert cookie_context([], b"h") == CookieContext(b"h")


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize(
    "written",
    [
        b"access_token=" + b"x" * 5000,
        b"access_token=A; Domain=other.test",
        b"theme=dark; SameSite=None",
        b"a=b\rc",
    ],
)
def test_a_function_that_sets_such_a_cookie_has_failed(written: bytes, *, secure: bool) -> None:
    with pytest.raises(CookieUnusable):
        finish([b"refresh_token=R", written], NAMES, secure=secure, context=HOST)


def test_same_site_none_of_a_session_is_made_secure_over_https_and_fails_over_http() -> None:
    assert finish([b"access_token=A; SameSite=None"], NAMES, secure=True, context=ELSEWHERE) == [
        b"access_token=A; SameSite=None; HttpOnly; Secure"
    ]
    with pytest.raises(CookieUnusable) as refused:
        finish([b"access_token=A; SameSite=None"], NAMES, secure=False, context=HOST)
    assert refused.value.reason.startswith("access_token: SameSite=None needs Secure")
