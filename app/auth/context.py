"""What SQL may know about a request: the settings of its transaction, in PostgREST's order.

Every value is text and every JSON value valid JSON, whatever bytes the client sent.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from app.auth.calls import FunctionCall
from app.auth.documents import compact, has_nul, parse
from app.auth.queries import UNLOGGED
from app.auth.signatures import Routine, Settings, Signature

# Cookies have a setting of their own. Authorization plays no part in these calls: they run as the
# anonymous role whatever it says, and a function that believed it would believe something unverified
_NOT_HEADERS: Final = frozenset({b"cookie", b"authorization"})
# Where the statement that checks the arguments finds them; it empties it before anything else
ARGUMENTS: Final = "postgate.arguments"
# A function may have set these for its whole session instead of its transaction
_BLANK: Settings = (("response.headers", ""), ("response.status", ""))


def transaction_settings(
    call: FunctionCall,
    routine: Routine,
    signature: Signature,
    *,
    schemas: Sequence[str],
    role: str,
    settings: Mapping[str, str],
    document: str = "",
) -> Settings:
    """Names and values, in the order in which they are to be set."""
    return (
        ("search_path", ", ".join(quote_name(schema) for schema in schemas)),
        # Before the role: a setting may be one that the gateway's own role is allowed to change
        *routine.role_settings,
        ("role", role),
        ("request.jwt.claims", _claims(call, role)),
        ("request.method", "POST"),
        ("request.path", call.path),
        ("request.headers", compact(_headers(call))),
        ("request.cookies", compact(read_cookies(call))),
        *signature.settings,
        *settings.items(),
        ("app.settings.client_address", call.address),
        ("app.settings.caller_role", call.role),
        *_BLANK,
        (ARGUMENTS, document),
        # After the role's own settings
        *UNLOGGED,
    )


def _claims(call: FunctionCall, role: str) -> str:
    """The claims of the access token; `role` is the transaction's, as PostgREST has it.

    SQL that reads a role there may rely on it: what it says is what the transaction may do. Claims that
    Postgres cannot hold (NUL, an infinite number) are left out, but for the session's.
    """
    try:
        document = compact({**call.claims, "role": role})
        if not has_nul(document):
            parse(document)
            return document
    except (ValueError, RecursionError):
        pass
    session = {name: call.claims.get(name) for name in ("sid", "jti")}
    strings = {name: _text(value.encode()) for name, value in session.items() if isinstance(value, str)}
    return compact({**strings, "role": role})


def quote_name(name: str) -> str:
    """An SQL identifier, quoted whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def read_cookies(call: FunctionCall) -> dict[str, str]:
    """The first Cookie line taken apart as PostgREST does: raw values, quotes kept, the last duplicate.

    Of the blanks around a name only spaces in front are dropped: another reader's idea of a blank must
    not turn a strange name into a trusted one.
    """
    crumbs = (call.header(b"cookie") or b"").split(b";")
    if not crumbs[-1]:
        crumbs.pop()
    pairs = (crumb.lstrip(b" ").partition(b"=") for crumb in crumbs)
    return {_text(name): _text(value) for name, _, value in pairs}


def _headers(call: FunctionCall) -> dict[str, str]:
    """Of lines with the same name the last one counts."""
    return {
        _text(name.lower()): _text(value) for name, value in call.headers if name.lower() not in _NOT_HEADERS
    }


def _text(raw: bytes) -> str:
    # NUL as well: `->>` would refuse the whole value, and quote it in the server's log
    return raw.decode(errors="replace").replace("\0", "\ufffd")
