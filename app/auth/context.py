"""The settings of a call's transaction, in PostgREST's order: SQL reads the request from them.

Every value is text, and every JSON value is valid JSON, for any bytes from the client.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from app.auth.calls import FunctionCall
from app.auth.documents import compact, has_nul, parse
from app.auth.queries import UNLOGGED
from app.auth.signatures import Routine, Settings, Signature

# Cookies have a separate setting. Authorization is left out: these calls always run as the anonymous role,
# and a function that read it would trust a token that was not verified
_NOT_HEADERS: Final = frozenset({b"cookie", b"authorization"})
# The statement that checks the arguments reads them from this setting and clears it first
ARGUMENTS: Final = "postgate.arguments"
# An earlier function may have set these for the database session instead of its transaction
_CLEARED: Settings = (("response.headers", ""), ("response.status", ""))


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
    """Names and values for set_config, in this order.

    `schemas` is the search path, `role` the transaction's role, `settings` are the gateway's, `document` is
    the text of the arguments to check.
    """
    return (
        ("search_path", ", ".join(quote_name(schema) for schema in schemas)),
        # Before the role: only the gateway's login may be allowed to change a setting
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
        *_CLEARED,
        (ARGUMENTS, document),
        # After the role's own settings
        *UNLOGGED,
    )


def _claims(call: FunctionCall, role: str) -> str:
    """The claims of the access token, with the transaction's `role`, as PostgREST sets them.

    SQL may rely on that role: it is the one whose privileges the transaction has. If Postgres cannot hold the
    claims (NUL, an infinite number), only the session's identifiers remain.
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
    """An SQL identifier in double quotes, for any name."""
    return '"' + name.replace('"', '""') + '"'


def quote_function(name: str) -> str:
    """A function's name with its schema, as an SQL identifier."""
    return ".".join(map(quote_name, name.split(".")))


def read_cookies(call: FunctionCall) -> dict[str, str]:
    """The first Cookie line, parsed as PostgREST does: raw values, quotes kept, the last of duplicates.

    Only spaces before a name are removed. Other readers remove other blanks too, and so would read an unknown
    name as a trusted one.
    """
    pieces = (call.header(b"cookie") or b"").split(b";")
    if not pieces[-1]:
        pieces.pop()
    pairs = (piece.lstrip(b" ").partition(b"=") for piece in pieces)
    return {_text(name): _text(value) for name, _, value in pairs}


def _headers(call: FunctionCall) -> dict[str, str]:
    """The headers as SQL gets them; the last line of a name is used."""
    return {
        _text(name.lower()): _text(value) for name, value in call.headers if name.lower() not in _NOT_HEADERS
    }


def _text(raw: bytes) -> str:
    # NUL is replaced too: with it, `->>` fails and quotes the whole value in the server's log
    return raw.decode(errors="replace").replace("\0", "\ufffd")
