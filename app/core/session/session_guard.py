"""The session's two cookies are for the auth functions to set, and for no other service of this origin.

All services behind the gateway share one origin, so a cookie of the same name, or a Clear-Site-Data for
cookies, would end the session of their visitors.
"""

from collections.abc import Sequence
from typing import Final

from app.core.session.cookie_names import CookieNames

_BLANK: Final = b" \t"
# Browsers send a cookie without a name as its value alone: `=a=b` comes back as `a=b` (RFC 6265bis)
_BEFORE_NAME: Final = b" \t="
_CLEARS: Final = frozenset({b'"cookies"', b'"*"'})


def without_session(lines: Sequence[bytes], names: CookieNames) -> tuple[list[bytes], str]:
    """The lines of an answer without what sets or clears the session, and a word on what was left out."""
    kept: list[bytes] = []
    left_out = ""
    for line in lines:
        name, _, value = line.partition(b":")
        lowered = name.lower()
        if lowered == b"set-cookie" and (cookie := _session_cookie(value, names)):
            left_out = f"Set-Cookie: {cookie.decode('latin-1')}"
        elif lowered == b"clear-site-data":
            wanted = [part.strip(b" \t\r\n") for part in value.split(b",")]
            rest = [part for part in wanted if part.lower() not in _CLEARS]
            if len(rest) != len(wanted):
                left_out = "Clear-Site-Data"
            if rest:
                kept.append(b"%b: %b\r\n" % (name, b", ".join(rest)))
        else:
            kept.append(line)
    return kept, left_out


def _session_cookie(value: bytes, names: CookieNames) -> bytes:
    """The name of the session's that a Set-Cookie value sets, or would be taken for; else nothing."""
    pair = value.partition(b";")[0].strip(b" \t\r\n").lstrip(_BEFORE_NAME)
    name = pair.partition(b"=")[0].rstrip(_BLANK).lower()
    return name if name in names.reserved else b""
