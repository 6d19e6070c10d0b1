r"""The request target: the raw bytes are checked, and the same bytes are forwarded.

Path confusion happens when two parsers read one string differently. So this module does not decode, normalize
or rebuild a path: it admits the path unchanged or rejects it. The query is the upstream's and is forwarded
unchanged (RFC 9112 section 3.2.1, RFC 3986).

Browsers follow the WHATWG URL standard: they do not escape `[ ] | ^` in paths, and `{ } \` and the backtick
in queries (https://url.spec.whatwg.org/#path-percent-encode-set). These are admitted, since no parser splits
or decodes at them.
"""

import re
from typing import Final

from app.core.http.octets import holds
from app.errors import TargetInvalid

_RAW: Final = rb"A-Za-z0-9\-._~!$&'()*+,;=:@\[\]|\^"
_RAW_BYTES: Final = bytes(byte for byte in range(256) if re.fullmatch(rb"[%b/%%]" % _RAW, bytes([byte])))
_PLAIN = re.compile(rb"/[%b/]*+" % _RAW).fullmatch
# Escapes of ASCII except controls, `/` and `\`, and of UTF-8 in its shortest form (RFC 3629 section 4):
# longer forms can encode dots and slashes. All quantifiers are possessive, so matching takes linear time.
_NEXT: Final = rb"%[89ABab][0-9A-Fa-f]"
_ESCAPED: Final = b"|".join(
    (
        rb"%(?:2[0-9A-Ea-e]|[346][0-9A-Fa-f]|5[0-9ABDEFabdef]|7[0-9A-Ea-e])",
        rb"%(?:[Cc][2-9A-Fa-f]|[Dd][0-9A-Fa-f])" + _NEXT,
        rb"%[Ee]0%[ABab][0-9A-Fa-f]" + _NEXT,
        rb"%[Ee][1-9A-Ca-cEFef](?:" + _NEXT + rb"){2}",
        rb"%[Ee][Dd]%[89][0-9A-Fa-f]" + _NEXT,
        rb"%[Ff]0%[9ABab][0-9A-Fa-f](?:" + _NEXT + rb"){2}",
        rb"%[Ff][1-3](?:" + _NEXT + rb"){3}",
        rb"%[Ff]4%8[0-9A-Fa-f](?:" + _NEXT + rb"){2}",
    )
)
_ESCAPABLE = re.compile(rb"/(?:[%b/]++|%b)*+" % (_RAW, _ESCAPED)).match
_DOTS = re.compile(rb"/(?:\.|%2[Ee]){1,2}(?:[/;]|%3[Bb]|\Z)").search  # some servers cut `;parameters` off
_SEPARATOR = re.compile(rb"%(?:2[Ff]|5[Cc]|[01][0-9A-Fa-f]|7[Ff])").match
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}").match
_MOST_SEGMENTS: Final = 1_000
_FORBIDDEN_IN_QUERY = re.compile(rb"[#\x00-\x20\x7f]").search
_REPORTED_BYTES: Final = 256


def is_plain_path(path: bytes) -> bool:
    """Whether a path is admitted without a check of its escapes."""
    if _PLAIN(path) is None or holds(path, b"//") or _is_deep(path):
        return False
    return not holds(path, b"/.") or _DOTS(path) is None


def _is_deep(path: bytes) -> bool:
    return len(path) > _MOST_SEGMENTS and path.count(b"/") > _MOST_SEGMENTS


def path_of(target: bytes) -> bytes:
    """The path of an unchecked target, for the log: at most 256 bytes, without query and host."""
    if not target.startswith(b"/"):
        return b""
    return target.partition(b"?")[0].partition(b"#")[0][:_REPORTED_BYTES]


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """The checked path and the rest (empty, or `?` and the query) of an origin-form target.

    Raises TargetInvalid for a path that two parsers could read differently.
    """
    path, mark, query = target.partition(b"?")
    if not is_plain_path(path):
        _check_escaped_path(path)
    if (found := _FORBIDDEN_IN_QUERY(query)) is not None:
        # A target has no fragment (RFC 9112 section 3.2), and parsers cut it off at different places
        # (GHSA-pxq7-h93f-9jrg); a blank or line end would end the request line.
        raise TargetInvalid(reason="fragment, blank or control in the query", hint=_hint("query", found[0]))
    return path, mark + query


def _check_escaped_path(path: bytes) -> None:
    """Admit a path with percent escapes if all parsers read its segments alike. Raises TargetInvalid."""
    if not path.startswith(b"/"):
        raise TargetInvalid(reason="not origin-form")
    if holds(path, b"//"):
        raise TargetInvalid(reason="empty segment", hint="The path contains an empty segment: `//`.")
    if _is_deep(path):
        raise TargetInvalid(
            reason="too many segments", hint=f"The path has more than {_MOST_SEGMENTS} segments."
        )
    if illegal := path.translate(None, _RAW_BYTES):
        raise TargetInvalid(reason="illegal byte or escape", hint=_hint("path", illegal[:1]))
    if _DOTS(path) is not None:
        raise TargetInvalid(reason="dot segment", hint="The path contains a segment `.` or `..`.")
    match = _ESCAPABLE(path)
    end = match.end() if match is not None else 0
    if end == len(path):
        return
    escape = path[end : end + 3]
    if _ESCAPE(escape) is None:
        raise TargetInvalid(reason="illegal byte or escape", hint=_hint("path", b"%"))
    if _SEPARATOR(escape) is not None:
        # An escaped separator splits segments for some parsers and not for others (GHSA-gm3x-23wp-hc2c).
        hint = f"The path contains {escape.decode()}: separators and controls are not allowed, even escaped."
        raise TargetInvalid(reason="escaped separator or control", hint=hint)
    raise TargetInvalid(reason="not UTF-8", hint=f"The escapes from {escape.decode()} on are not UTF-8.")


def _hint(where: str, found: bytes) -> str:
    if found == b"%":
        return f"The {where} contains a % without two hexadecimal digits: send it as %25."
    written = f"`{found.decode()}`" if b"!" <= found <= b"~" else f"the byte {found[0]:#04x}"
    escape = f"%{found[0]:02X}"
    if where == "path" and _SEPARATOR(escape.encode()) is not None:
        return f"The path contains {written}: separators and controls are not allowed, even escaped."
    return f"The {where} contains {written}: send it as {escape}."
