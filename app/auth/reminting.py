"""The tokens in a function's reply, each replaced: in the cookies it sets, and in its body.

In a body, tokens are replaced where login functions return them: PostgREST's documentation has
`{"token": "..."}`, and some return the token alone.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from app.auth.replies import Reply
from app.core.session.cookies import value_of

Replace = Callable[[bytes], bytes]

_COMPACT: Final = rb"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"  # RFC 7515 section 7.1
_is_compact = re.compile(_COMPACT).fullmatch
_IN_BODY: Final = re.compile(
    rb'((?:\A\s*|"(?:token|access_token|accessToken|jwt)"\s*:\s*)")(' + _COMPACT + rb')(?=")'
)


def with_tokens_replaced(reply: Reply, replaced: Replace) -> Reply:
    """The reply with what `replaced` makes of each token."""
    headers = [
        (name, _in_cookie(value, replaced) if name.lower() == b"set-cookie" else value)
        for name, value in reply.headers
    ]
    body = _IN_BODY.sub(lambda found: found[1] + replaced(found[2]), reply.body)
    if headers == reply.headers and body == reply.body:
        return reply
    return replace(reply, headers=headers, body=body)


def _in_cookie(set_cookie: bytes, replaced: Replace) -> bytes:
    token = value_of(set_cookie)
    if _is_compact(token) is None:
        return set_cookie
    pair, semicolon, attributes = set_cookie.partition(b";")
    name = pair.partition(b"=")[0]
    return b"%b=%b%b%b" % (name, replaced(token), semicolon, attributes)
