"""Where tokens in a function's reply are replaced: each where login functions put it, and nothing else."""

import pytest

from app.auth.json_members import read_path
from app.auth.reminting import with_tokens_replaced
from app.auth.replies import Reply

TOKEN = b"eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoid2ViIn0.c2lnbmF0dXJl"


MEMBERS = [read_path(text) for text in ("token", "access_token", "accessToken", "jwt", "data.token")]
JSON = [(b"Content-Type", b"application/json")]


def new(token: bytes) -> bytes:
    return b"NEW" if token == TOKEN else token


def changed(headers: list[tuple[bytes, bytes]], body: bytes = b"") -> Reply:
    return with_tokens_replaced(Reply(200, headers, body), MEMBERS, new)


@pytest.mark.parametrize(
    "cookie", [b"access_token=%b; Path=/; HttpOnly", b"access_token=%b", b"other = %b ;Max-Age=1"]
)
def test_a_token_in_a_cookie_is_replaced_and_its_attributes_stay(cookie: bytes) -> None:
    reply = changed([(b"X", TOKEN), (b"set-cookie", cookie % TOKEN), (b"Set-Cookie", b"r=abc; Path=/")])
    name, _, rest = cookie.partition(b"=")
    attributes = rest.partition(b";")[1] + rest.partition(b";")[2]
    expected = b"%b=NEW%b" % (name, attributes)
    assert reply.headers == [(b"X", TOKEN), (b"set-cookie", expected), (b"Set-Cookie", b"r=abc; Path=/")]


@pytest.mark.parametrize(
    "body",
    [
        b'{"token":"%b"}',
        b'{"token" : "%b", "refresh_token" : "x"}',
        b'[{"access_token": "%b"}]',
        b'{"accessToken":"%b"}',
        b'{"jwt":"%b"}',
        b'{ "data" :{"n":1.10,"token":"%b"}, "token":null}',
        b'[ "%b" ]',
        b'"%b"',
        b' "%b"',
    ],
)
def test_a_token_in_a_body_is_replaced(body: bytes) -> None:
    assert changed(JSON, body % TOKEN).body == body % b"NEW"


@pytest.mark.parametrize(
    "body", [b'{"note":"%b"}', b'{"token":"%b"}'.replace(b"%b", b"eyJ.x"), b"%b", b'{"tokens":["%b"]}', b""]
)
def test_any_other_text_stays(body: bytes) -> None:
    filled = body % TOKEN if b"%b" in body else body
    reply = Reply(200, JSON, filled)
    assert with_tokens_replaced(reply, MEMBERS, lambda _: b"NEW") is reply
