"""Session cookies in responses of PostgREST, which a service's function has set, are those of a session."""

import pytest

from app.core.relay.response_headers import with_hardened
from app.core.session.cookie_names import CookieNames
from core.builders import NAMES

HOST = CookieNames(b"access_token", b"refresh_token", prefix=b"__Host-")
CACHED = b"Cache-Control: max-age=60\r\n"


def test_they_are_hardened_and_not_cached() -> None:
    lines = [CACHED, b"set-cookie: access_token=a; Path=/\r\n", b"Set-Cookie: other=b\r\n", b"X: y\r\n"]
    assert with_hardened(lines, NAMES, secure=False) == (
        [
            b"set-cookie: access_token=a; Path=/; HttpOnly; SameSite=Lax\r\n",
            b"Set-Cookie: other=b\r\n",
            b"X: y\r\n",
            b"Cache-Control: no-store\r\n",
            b"Vary: Cookie\r\n",
        ],
        True,
    )


def test_over_https_they_are_secure_and_have_the_prefix() -> None:
    lines, sets_session = with_hardened([b"Set-Cookie: refresh_token=r\r\n"], HOST, secure=True)
    assert sets_session
    _, _, value = lines[0].partition(b": ")
    assert value.startswith(b"__Host-refresh_token=r; Path=/")
    assert {b"Secure", b"HttpOnly", b"SameSite=Lax"} <= set(value.strip().split(b"; "))


@pytest.mark.parametrize("line", [b"Set-Cookie: other=b\r\n", b"X-Set-Cookie: access_token=a\r\n"])
def test_other_lines_stay_what_they_are(line: bytes) -> None:
    assert with_hardened([CACHED, line], NAMES, secure=True) == ([CACHED, line], False)
