"""The tokens in a function's reply, each replaced: in the cookies it sets, and in the members of its body."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from app.auth.documents import compact, parse
from app.auth.json_members import Path, edited
from app.auth.replies import Reply, is_json
from app.core.session.cookies import value_of

Replace = Callable[[bytes], bytes]

_START: Final = b"eyJ"  # of every token: base64url of `{"`
_is_compact = re.compile(rb"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+").fullmatch  # RFC 7515, 7.1


def with_tokens_replaced(reply: Reply, members: Sequence[Path], replaced: Replace) -> Reply:
    """The reply with what `replaced` makes of each token: in cookies, and in the members of the body."""
    headers = [
        (name, _in_cookie(value, replaced) if name.lower() == b"set-cookie" else value)
        for name, value in reply.headers
    ]
    body = _in_body(reply, members, replaced)
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


def _in_body(reply: Reply, members: Sequence[Path], replaced: Replace) -> bytes:
    if _START not in reply.body or not is_json(reply):
        return reply.body

    def change(_: Path, value: str) -> str:
        token = parse(value)
        if not isinstance(token, str) or _is_compact(token.encode()) is None:
            return value
        new = replaced(token.encode()).decode()
        return value if new == token else compact(new)

    try:
        text = reply.body.decode()
        parse(text)
        return (edited(text, members, change) or "").encode()
    except ValueError:
        return reply.body
