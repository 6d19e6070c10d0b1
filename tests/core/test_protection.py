"""Headers by which browsers protect a page: which, where, and never beside those that are there."""

from itertools import combinations

import pytest

from app.core.http.protection import PROTECTS, Protection
from app.core.relay.response_headers import ResponseHeaders

YEAR = b"max-age=31536000"


def lines(*names: bytes, is_api: bool = True, is_https: bool = True, hsts: str = "host") -> list[bytes]:
    present = ResponseHeaders([(name, b"x") for name in names]).present
    found = Protection(hsts).lines(present, is_api=is_api, is_https=is_https)
    return [line for line in found.split(b"\r\n") if line]


def test_the_api_gets_all_of_them() -> None:
    assert lines() == [
        b"X-Content-Type-Options: nosniff",
        b"Referrer-Policy: same-origin",
        b"Content-Security-Policy: frame-ancestors 'self'",
        b"Strict-Transport-Security: " + YEAR,
    ]


@pytest.mark.parametrize("count", range(6))
def test_what_the_upstream_sets_is_not_set_again(count: int) -> None:
    for names in combinations(PROTECTS, count):
        for case in (bytes.title, bytes.upper, bytes.lower):
            written = [case(name) for name in names]
            bits = {PROTECTS[name] for name in names}
            assert len(lines(*written)) == len(set(PROTECTS.values()) - bits)
            assert not {line.partition(b":")[0].lower() for line in lines(*written)} & set(names)


def test_other_services_get_only_what_cannot_break_their_pages() -> None:
    assert lines(is_api=False) == [b"Strict-Transport-Security: " + YEAR]
    assert lines(is_api=False, is_https=False) == []


@pytest.mark.parametrize(
    ("hsts", "value"), [("host", [YEAR]), ("subdomains", [YEAR + b"; includeSubDomains"]), ("off", [])]
)
def test_strict_transport_is_as_it_is_set_and_over_https_alone(hsts: str, value: list[bytes]) -> None:
    expected = [b"Strict-Transport-Security: " + found for found in value]
    assert lines(hsts=hsts)[3:] == expected
    assert len(lines(hsts=hsts, is_https=False)) == 3
    assert Protection(hsts).transport(is_https=False) == []
    assert [value for _, value in Protection(hsts).transport(is_https=True)] == value


def test_what_connection_names_away_is_not_there() -> None:
    read = ResponseHeaders([(b"X-Content-Type-Options", b"x"), (b"Connection", b"x-content-type-options")])
    assert read.present == 0
