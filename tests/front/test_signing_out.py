"""The reply of a project's own sign-out: success clears the session, whatever the function clears."""

import pytest

from app.auth.replies import Reply
from app.catalogue import Entry
from app.core.session.cookie_names import CookieNames
from app.core.session.cookies import signs_out
from app.routes.replying import written_cookies
from app.routes.signing_out import completed

NAMES = CookieNames(b"access_token", b"refresh_token")
GONE = b"=; Path=/; Max-Age=0"


@pytest.mark.parametrize(
    ("status", "cookies", "body", "is_over"),
    [
        (204, [], b"", True),
        (200, [], b'{"message":"Goodbye"}', True),
        (204, [b"access_token" + GONE], b"", True),
        (204, [b"refresh_token" + GONE], b"", True),
        (204, [b"theme=dark; Path=/"], b"", True),
        (200, [], b'{"error":"no session"}', False),
        (401, [], b'{"code":"PT401"}', False),
        (303, [], b"", False),
        (204, [b"access_token=x; Path=/"], b"", False),
    ],
)
def test_success_signs_out(status: int, cookies: list[bytes], body: bytes, *, is_over: bool) -> None:
    reply = Reply(status, [(b"Set-Cookie", value) for value in cookies], body)

    done = completed(Entry("logout"), reply, NAMES)

    assert signs_out(written_cookies(done), NAMES) is is_over
    assert done.headers[: len(reply.headers)] == reply.headers
    assert (done.status, done.body) == (status, body)
    assert completed(Entry("login"), reply, NAMES) is reply
