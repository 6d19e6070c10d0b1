"""Sign-outs: the gateway's own where SQL has no such function, and what every one of them revokes."""

from app.auth.replies import NO_CONTENT, Reply, code_of, is_missing
from app.catalogue import Entry
from app.core.session.cookie_names import CookieNames

_NOT_ALLOWED = "42501"


def is_gateways_own(entry: Entry, reply: Reply) -> bool:
    """Whether the gateway itself has to sign out, because SQL has no function that the client may call."""
    return entry.signs_out and (
        is_missing(reply) or (entry.may_be_missing and code_of(reply) == _NOT_ALLOWED)
    )


def signed_out(names: CookieNames) -> Reply:
    """The gateway's own reply to a sign-out. It clears the access cookie; `finish` adds the others."""
    return Reply(NO_CONTENT, [(b"Set-Cookie", b"%b=; Path=/; Max-Age=0" % names.access)], b"")
