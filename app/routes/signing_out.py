"""Sign-outs: the gateway's own where SQL has no such function, and what every one of them revokes."""

from dataclasses import replace

from app.auth.replies import NO_CONTENT, Reply, code_of, is_missing
from app.auth.sign_ins import reports_error, signs_in
from app.catalogue import Entry
from app.core.session.cookie_names import CookieNames

_SUCCESS = range(200, 300)
_NOT_ALLOWED = "42501"


def completed(entry: Entry, reply: Reply, names: CookieNames) -> Reply:
    """The reply to a sign-out; that of any other function stays.

    Success clears the session, whatever SQL clears. Without a function that the client may call, the gateway
    itself signs out.
    """
    if not entry.signs_out:
        return reply
    if is_missing(reply) or (entry.may_be_missing and code_of(reply) == _NOT_ALLOWED):
        return Reply(NO_CONTENT, [_cleared(names)], b"")
    if reply.status not in _SUCCESS or reports_error(reply) or signs_in(reply, names):
        return reply
    return replace(reply, headers=[*reply.headers, _cleared(names)])


def _cleared(names: CookieNames) -> tuple[bytes, bytes]:
    """The deletion of the access cookie; `finish` adds the others, each once."""
    return b"Set-Cookie", b"%b=; Path=/; Max-Age=0" % names.access
