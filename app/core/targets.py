"""The request target: checked on its raw bytes, and those bytes are what is sent on.

Every path confusion of the last years is one bug: what was checked and what was fetched were two
readings of one string. So nothing here decodes, cleans or rebuilds a path; it is admitted as it is or
refused. The query belongs to the upstream and passes untouched (RFC 9112 section 3.2.1, RFC 3986).
"""

import re
from binascii import unhexlify

from app.errors import TargetInvalid

# Segments of unreserved and sub-delims characters, none empty, none `.` or `..`; a last slash is fine.
_PLAIN_PATH = re.compile(
    rb"/(?:(?!\.\.?(?:[/;]|\Z))[A-Za-z0-9\-._~!$&'()*+,;=:@]+(?:/|\Z))*", re.ASCII
).fullmatch
_SEGMENT = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})+", re.ASCII).fullmatch
_ESCAPE = re.compile(rb"%(..)", re.ASCII)
_FORBIDDEN_IN_QUERY = re.compile(rb"[#\x00-\x20\x7f]").search
_TOLD_BYTES = 256
_FORBIDDEN = re.compile(rb"[/\\\x00-\x1f\x7f]").search


def is_plain_path(path: bytes) -> bool:
    """Whether a path is admitted as it stands, without looking into escapes."""
    return _PLAIN_PATH(path) is not None


def path_of(target: bytes) -> bytes:
    """The path of a target that nobody has checked, to tell people of: some of it, and no query or host."""
    if not target.startswith(b"/"):
        return b""
    return target.partition(b"?")[0].partition(b"#")[0][:_TOLD_BYTES]


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """The checked path and the rest (empty, or `?` and the query) of an origin-form target.

    Raises TargetInvalid for anything whose path two readers could understand differently.
    """
    path, mark, query = target.partition(b"?")
    if _PLAIN_PATH(path) is None:
        _check_escaped_path(path)
    if _FORBIDDEN_IN_QUERY(query):
        # A fragment is never sent (RFC 9112 section 3.2), and readers cut it at different places
        # (GHSA-pxq7-h93f-9jrg); a blank or line end would end the request line.
        raise TargetInvalid(reason="fragment, blank or control in the query")
    return path, mark + query


def _check_escaped_path(path: bytes) -> None:
    """Admit a path with percent escapes, where each segment means one thing to every reader."""
    if not path.startswith(b"/"):
        raise TargetInvalid(reason="not origin-form")
    segments = path[1:].split(b"/")
    if segments[-1] == b"":
        segments.pop()
    for segment in segments:
        _check_segment(segment)


def _check_segment(segment: bytes) -> None:
    if _SEGMENT(segment) is None:
        raise TargetInvalid(reason="empty segment" if not segment else "illegal byte or escape")
    decoded = _ESCAPE.sub(lambda match: unhexlify(match[1]), segment)
    if decoded.partition(b";")[0] in {b".", b".."}:  # some servers cut `;parameters` off first
        raise TargetInvalid(reason="dot segment")
    if _FORBIDDEN(decoded):
        # An escaped separator splits segments for some readers and not for others (GHSA-gm3x-23wp-hc2c).
        raise TargetInvalid(reason="escaped separator or control")
    try:
        decoded.decode("utf-8")  # overlong forms spell dots and slashes in disguise
    except UnicodeDecodeError:
        raise TargetInvalid(reason="not UTF-8") from None
