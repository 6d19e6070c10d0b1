"""Errors: one vocabulary and one renderer, with PostgREST's four keys and nothing private."""

import json
import re
from collections.abc import Iterator

import pytest

from app import errors
from app.errors import (
    CredentialMissing,
    GatewayError,
    MethodNotAllowed,
    RateLimited,
    TokenRejected,
    UpstreamUnreachable,
    render,
)


def every(kind: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from every(child)


ERRORS = list(every())
ids = [error.__name__ for error in ERRORS]


def made(error: type[GatewayError]) -> GatewayError:
    if error is MethodNotAllowed:
        return MethodNotAllowed(allow=b"GET", reason="hunter2")
    if error is RateLimited:
        return RateLimited(seconds=60, reason="hunter2")
    return error(reason="hunter2")


def test_a_refusal_is_rendered_like_this() -> None:
    assert render(CredentialMissing(reason="no cookie"), b"id-1") == (
        401,
        [
            (b"Content-Type", b"application/json; charset=utf-8"),
            (b"Cache-Control", b"no-store"),
            (b"X-Content-Type-Options", b"nosniff"),
            (b"Referrer-Policy", b"same-origin"),
            (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
            (b"X-Request-Id", b"id-1"),
            (b"WWW-Authenticate", b"Bearer"),
        ],
        b'{"code":"GW200","message":"Sign in to continue.","details":null,"hint":null}',
    )


@pytest.mark.parametrize("error", ERRORS, ids=ids)
def test_an_answer_has_four_keys_and_nothing_private(error: type[GatewayError]) -> None:
    status, headers, body = render(made(error), b"id-1")
    assert status == error.status
    assert list(json.loads(body)) == ["code", "message", "details", "hint"]
    assert b"hunter2" not in body
    assert not any(b"hunter2" in value for _, value in headers)


@pytest.mark.parametrize("error", ERRORS, ids=ids)
def test_an_answer_is_for_this_moment_only_and_not_sniffed(error: type[GatewayError]) -> None:  # B50
    fields = dict(render(made(error), b"id-1")[1])
    assert fields[b"Cache-Control"] == b"no-store"
    assert fields[b"X-Content-Type-Options"] == b"nosniff"


@pytest.mark.parametrize("error", ERRORS, ids=ids)
def test_an_error_has_a_sentence_for_the_public(error: type[GatewayError]) -> None:
    message = made(error).message
    assert message == "JWT expired" or re.fullmatch(r"[A-Z][^.\n]*\.", message)  # PostgREST's words
    assert message == (error.__doc__ or "").strip()


@pytest.mark.parametrize("error", ERRORS, ids=ids)
def test_the_code_says_whose_fault_it_is(error: type[GatewayError]) -> None:
    family = error.code[:3]
    assert re.fullmatch(r"GW[1-5]\d\d", error.code)
    assert (family, error.status // 100) in {
        ("GW1", 4),
        ("GW1", 5),
        ("GW2", 3),
        ("GW2", 4),
        ("GW3", 5),
        ("GW4", 5),
        ("GW5", 5),
    }
    assert family != "GW1" or error.status < 500 or error.status in {501, 505}


def test_every_code_is_one_errors() -> None:
    codes = [error.code for error in ERRORS]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize(
    "error", [error for error in ERRORS if error.status == 401], ids=lambda error: error.__name__
)
def test_401_names_the_scheme(error: type[GatewayError]) -> None:  # RFC 9110 section 15.5.2
    assert dict(render(error(), b"")[1])[b"WWW-Authenticate"].startswith(b"Bearer")


@pytest.mark.parametrize(
    "error", [error for error in ERRORS if error.status == 503], ids=lambda error: error.__name__
)
def test_503_says_when_to_come_back(error: type[GatewayError]) -> None:
    assert dict(render(error(), b"")[1])[b"Retry-After"].isdigit()


def test_405_names_the_methods() -> None:
    assert (b"Allow", b"GET") in render(MethodNotAllowed(allow=b"GET"), b"")[1]


def test_429_says_when_to_come_back() -> None:
    assert (b"Retry-After", b"60") in render(RateLimited(seconds=60), b"")[1]


def test_headers_of_the_one_error_follow_those_of_its_kind() -> None:
    error = TokenRejected(reason="expired", headers=[(b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2")])
    assert render(error, b"id-1")[1][-3:] == [
        (b"WWW-Authenticate", b'Bearer error="invalid_token"'),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
    ]


def test_the_reason_is_kept_for_the_log() -> None:
    assert str(TokenRejected(reason="expired")) == TokenRejected(reason="expired").reason == "expired"
    assert str(UpstreamUnreachable()) == "The service behind the gateway cannot be reached."
    assert UpstreamUnreachable().reason == ""


def test_two_errors_do_not_share_their_headers() -> None:
    TokenRejected().headers.append((b"a", b"b"))
    assert TokenRejected().headers == []
