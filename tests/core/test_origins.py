"""The cross-site rule: a browser must show that a page of ours acts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.http.origins import Origins
from app.errors import OriginDenied

from .properties import tried

OWN = b"https://gw.test"
TRUSTED = b"https://app.test"
origins = Origins([TRUSTED.decode(), "http://localhost:5173"])


@pytest.mark.parametrize(
    ("origin", "fetch_site"),
    [
        (None, None),  # curl, a server: no browser, and no cookies to be lured with
        (OWN, None),
        (OWN, b"same-origin"),
        (b"https://GW.test", None),
        (None, b"same-origin"),
        (None, b"none"),  # typed into the address bar
        (TRUSTED, None),
        (TRUSTED, b"cross-site"),
        (TRUSTED, b"same-site"),
        (b"http://localhost:5173", b"cross-site"),
    ],
)
def test_a_request_of_ours_is_admitted(origin: bytes | None, fetch_site: bytes | None) -> None:
    origins.check(origin, fetch_site, OWN)


FOREIGN = [
    b"https://evil.test",  # F35, F38
    b"https://gw.test.evil.test",  # F37
    b"https://evilgw.test",
    b"https://gw.test:444",
    b"http://gw.test",
    b"https://GW.test%00.evil",
    b"https://gw.test/",
    b"https://gw.test@evil.test",
    b"https://gw.test,https://evil.test",
    b"https://evil.test https://gw.test",
    b"https://sub.gw.test",
    b"https://app.test.evil.test",
    b"https://app.test:8443",
    b"https://APP.test",  # browsers write lower case; settings are held to that
    b"http://app.test",
    b"null",
    b"",
    b"*",
    b"gw.test",
    b"https://g\xc3\xbc.test",
]


@pytest.mark.parametrize("fetch_site", [None, b"cross-site", b"same-site"])
@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_page_is_denied(origin: bytes, fetch_site: bytes | None) -> None:
    with pytest.raises(OriginDenied):
        origins.check(origin, fetch_site, OWN)


@pytest.mark.parametrize(
    "fetch_site", [b"cross-site", b"same-site", b"", b"Same-Origin", b"same-origin, cross-site", b"x"]
)
def test_a_browser_that_hides_its_origin_is_denied(fetch_site: bytes) -> None:
    with pytest.raises(OriginDenied):
        origins.check(None, fetch_site, OWN)


@tried
@given(st.binary(max_size=30))
def test_no_other_bytes_are_an_origin_of_ours(origin: bytes) -> None:
    if origin not in {OWN, TRUSTED}:
        with pytest.raises(OriginDenied):
            origins.check(origin, b"cross-site", OWN)


ANSWER = [
    (b"Access-Control-Allow-Origin", TRUSTED),
    (b"Access-Control-Allow-Credentials", b"true"),
    (
        b"Access-Control-Expose-Headers",
        (
            b"Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, "
            b"Transfer-Encoding, Range-Unit, Retry-After, Preference-Applied, X-Request-Id"
        ),
    ),
    (b"Vary", b"Origin"),
]


def test_a_trusted_origin_may_read_answers() -> None:
    assert origins.response_headers(TRUSTED) == ANSWER
    assert origins.response_lines(TRUSTED) == b"".join(
        name + b": " + value + b"\r\n" for name, value in ANSWER
    )


def test_caches_keep_what_names_no_origin_apart() -> None:
    assert origins.response_lines(None) == b"Vary: Origin\r\n"
    assert Origins([]).response_lines(None) == Origins([]).response_lines(OWN) == b""


@pytest.mark.parametrize("origin", [OWN, *FOREIGN])
def test_no_other_origin_is_told_anything(origin: bytes) -> None:
    assert origins.response_headers(origin) == []
    assert origins.response_lines(origin) == b"Vary: Origin\r\n"


def test_a_preflight_of_a_trusted_origin_is_answered_with_what_it_asked_for() -> None:
    assert origins.preflight(TRUSTED, b"content-type, prefer") == [
        *ANSWER,
        (b"Access-Control-Allow-Methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        (b"Access-Control-Max-Age", b"86400"),
        (b"Access-Control-Allow-Headers", b"content-type, prefer"),
    ]


def test_a_preflight_that_asks_for_no_headers_is_told_of_none() -> None:
    assert b"Access-Control-Allow-Headers" not in dict(origins.preflight(TRUSTED, b""))


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_preflight_of_a_foreign_origin_is_denied(origin: bytes) -> None:  # A59
    with pytest.raises(OriginDenied):
        origins.preflight(origin, b"content-type")


def test_never_is_every_origin_allowed() -> None:
    assert not any(value == b"*" for _, value in origins.preflight(TRUSTED, b"x"))
