"""Only auth functions may set or clear the session's cookies, no other service behind the gateway.

All services behind the gateway share one origin. A cookie with the same name, or a Clear-Site-Data for
cookies, would sign out their users.
"""

from collections.abc import Sequence
from typing import Final

from app.core.session.cookie_names import CookieNames

_BLANK: Final = b" \t"
# Browsers send a cookie without a name as its value alone: `=a=b` comes back as `a=b` (RFC 6265bis)
_BEFORE_NAME: Final = b" \t="
_CLEARS: Final = frozenset({b'"cookies"', b'"*"'})


def without_session(lines: Sequence[bytes], names: CookieNames) -> tuple[list[bytes], str]:
    """The lines of a response that do not set or clear the session, and the name of a dropped field."""
    kept: list[bytes] = []
    dropped = ""
    for line in lines:
        name, _, value = line.partition(b":")
        lowered = name.lower()
        if lowered == b"set-cookie" and (cookie := _session_cookie(value, names)):
            dropped = f"Set-Cookie: {cookie.decode('latin-1')}"
        elif lowered == b"clear-site-data":
            directives = [part.strip(b" \t\r\n") for part in value.split(b",")]
            rest = [part for part in directives if part.lower() not in _CLEARS]
            if len(rest) != len(directives):
                dropped = "Clear-Site-Data"
            if rest:
                kept.append(b"%b: %b\r\n" % (name, b", ".join(rest)))
        else:
            kept.append(line)
    return kept, dropped


def _session_cookie(value: bytes, names: CookieNames) -> bytes:
    """The session's cookie name that a Set-Cookie value sets, as loose parsers read it; else empty."""
    pair = value.partition(b";")[0].strip(b" \t\r\n").lstrip(_BEFORE_NAME)
    name = pair.partition(b"=")[0].rstrip(_BLANK).lower()
    return name if name in names.reserved else b""
