"""The argument of a refresh function is filled from the cookie, unless the client has sent arguments."""

import json

import pytest

from app.auth.calls import FunctionCall
from app.auth.refresh_calls import with_refresh_token

LENGTH = (b"content-length", b"2")
FORM = (b"content-type", b"application/x-www-form-urlencoded")


def call(body: bytes) -> FunctionCall:
    return FunctionCall("refresh", "/rpc/refresh", b"", [LENGTH, FORM, (b"accept", b"*/*")], body)


@pytest.mark.parametrize("body", [b"", b"{}", b" {} \n"])
def test_it_is_filled(body: bytes) -> None:
    filled = with_refresh_token(call(body), "held", b'r"\\1\xff\0')
    assert json.loads(filled.body) == {"held": 'r"\\1\ufffd\ufffd'}
    assert filled.headers == [(b"accept", b"*/*"), (b"content-type", b"application/json")]


@pytest.mark.parametrize(
    ("body", "argument", "token"),
    [(b'{"held":"own"}', "held", b"r"), (b"held=own", "held", b"r"), (b"", "", b"r"), (b"", "held", b"")],
)
def test_other_calls_stay_what_they_are(body: bytes, argument: str, token: bytes) -> None:
    sent = call(body)
    assert with_refresh_token(sent, argument, token) is sent
