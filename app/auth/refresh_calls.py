"""The call of a refresh function that takes the refresh token as an argument."""

from dataclasses import replace

from app.auth.calls import FunctionCall
from app.auth.documents import compact

_NO_ARGUMENTS = frozenset({b"", b"{}"})
_DESCRIBE_BODY = frozenset({b"content-type", b"content-length"})


def with_refresh_token(call: FunctionCall, argument: str, token: bytes) -> FunctionCall:
    """The call with this argument, as text: Postgres converts it to the declared type.

    A call that has arguments already stays as it is.
    """
    if not argument or not token or call.body.strip() not in _NO_ARGUMENTS:
        return call
    body = compact({argument: token.decode(errors="replace").replace("\0", "\ufffd")})
    headers = [header for header in call.headers if header[0] not in _DESCRIBE_BODY]
    return replace(call, headers=[*headers, (b"content-type", b"application/json")], body=body.encode())
