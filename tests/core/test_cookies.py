"""Cookies read: one session or none, by its exact name, and nothing is unquoted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.session.cookie_names import CookieNames
from app.core.session.cookies import SessionCookies, plain_cookies, read_session
from app.errors import HeadTooLarge

from .builders import NAMES
from .properties import tried


def read(header: bytes) -> SessionCookies:
    return read_session(header, NAMES)


@pytest.mark.parametrize(
    ("header", "access", "refresh", "others"),
    [
        (b"", None, None, b""),
        (b"access_token=A", b"A", None, b""),
        (b"access_token=A; refresh_token=R", b"A", b"R", b""),  # E21
        (b"theme=dark; access_token=A; lang=en", b"A", None, b"theme=dark; lang=en"),
        (b"a=1;access_token=A;b=2", b"A", None, b"a=1; b=2"),
        (b" \taccess_token = A \t; b=2 ", b"A", None, b"b=2"),
        (b"access_token=A=B==", b"A=B==", None, b""),
        (b"access_token=", b"", None, b""),
        (b'access_token="A"', b'"A"', None, b""),  # nothing is unquoted
        (b'access_token="\\145yJ"', b'"\\145yJ"', None, b""),  # E09
        (b'a="x; access_token=A; y"', b"A", None, b'a="x; y"'),  # a quote holds no semicolon together
        (b"access_token=\xff\xfe", b"\xff\xfe", None, b""),  # E15
        (b"a=1, access_token=A", None, None, b"a=1, access_token=A"),
        (b"access_token", None, None, b"access_token"),
        (b";;; = ; foo; =; access_token", None, None, b"=; foo; =; access_token"),  # E14
        (b"=access_token=A", None, None, b"=access_token=A"),
    ],
)
def test_a_cookie_header_is_parted_into_the_gateways_own_and_the_others(
    header: bytes, access: bytes | None, refresh: bytes | None, others: bytes
) -> None:
    assert read(header) == SessionCookies(access, refresh, others, ambiguous=False)


@pytest.mark.parametrize(
    "alias",
    [
        b"Access_Token",
        b"ACCESS_TOKEN",
        b"access-token",
        b"\xa0access_token",  # E06
        b"access_token\x85",
        b"\xe2\x80\x80access_token",  # E05
        b"\x0baccess_token",
        b"\x1faccess_token",
        b"access_token\x00",
        b"__Host-access_token",
        b"__host-access_token",
        b"access_token[]",
        b"$access_token",
        b"%61ccess_token",
    ],
)
def test_only_the_exact_name_is_the_session(alias: bytes) -> None:
    found = read(b"%b=A; access_token=B" % alias)
    assert (found.access, found.ambiguous) == (b"B", False)


def test_the_name_may_be_another() -> None:
    names = CookieNames(b"__Host-access_token", b"__Host-refresh_token")
    found = read_session(
        b"__host-access_token=x; =__Host-access_token=y; access_token=z; __Host-access_token=A", names
    )
    assert (found.access, found.ambiguous) == (b"A", False)
    assert found.others == b"__host-access_token=x; =__Host-access_token=y; access_token=z"


@pytest.mark.parametrize(
    ("header", "ambiguous"),
    [
        (b"access_token=A; access_token=B", True),  # E01, E03
        (b"access_token=B; x=1; access_token=A", True),
        (b"access_token=A; access_token=B; access_token=A", True),
        (b"access_token=; access_token=A", True),
        (b'$Version=1; access_token="x"; $Path=/; access_token=A', True),  # E11: no RFC 2109 in it
        (b"access_token=A; access_token=A", False),
        (b"access_token=A; ACCESS_TOKEN=B", False),
    ],
)
def test_two_different_sessions_are_ambiguous(header: bytes, ambiguous: bool) -> None:  # noqa: FBT001
    assert read(header).ambiguous is ambiguous


def test_three_hundred_cookies_are_kept_in_order() -> None:  # E17
    crumbs = [b"c%d=v" % number for number in range(300)]
    found = read(b"; ".join([*crumbs, b"access_token=A"]))
    assert (found.access, found.others) == (b"A", b"; ".join(crumbs))


@pytest.mark.parametrize("crumb", [b"a=b", b"a", b"access_token=A"])
def test_a_head_has_up_to_five_hundred_cookies(crumb: bytes) -> None:
    assert not read(b";".join([crumb] * 500)).ambiguous
    for reader in (read, lambda header: plain_cookies(header, NAMES)):
        with pytest.raises(HeadTooLarge):
            reader(b";".join([crumb] * 501))


def test_semicolons_alone_are_no_cookies() -> None:
    found = read(b"; " * 20_000 + b"access_token=A" + b";" * 20_000 + b"a=b")
    assert (found.access, found.others) == (b"A", b"a=b")


@tried
@given(st.binary(max_size=80))
def test_any_bytes_are_read_as_cookies(header: bytes) -> None:
    found = read(header)
    assert found.access is None or found.access in header
    assert not any(crumb.strip(b" \t").startswith(b"access_token=") for crumb in found.others.split(b";"))
