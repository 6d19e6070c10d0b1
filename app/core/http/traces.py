"""The trace context of a request (W3C Trace Context, level 1): parsed strictly, forwarded or replaced.

An invalid `traceparent`, or two of them, is dropped together with `tracestate` (section 2.2.4: without a
valid parent the state must not be used).
"""

import re
from collections.abc import Sequence

# Version ff is forbidden, and so are ids of zeros; a later version may have more behind a dash (section 3.2).
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:(?<!\A00.{53})-[!-~]*)?",
    re.DOTALL,
).fullmatch
_PARENT = b"traceparent:"
_STATE = b"tracestate:"


def is_traceparent(value: bytes) -> bool:
    """Whether a traceparent is valid (section 2.2)."""
    return _TRACEPARENT(value) is not None


def inbound(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The client's traceparent; empty unless it is valid and the only one. Names are lower case."""
    found = [value for name, value in headers if name == b"traceparent"]
    return found[0] if len(found) == 1 and is_traceparent(found[0]) else b""


def trace_id(traceparent: bytes) -> bytes:
    """32 hexadecimal digits; empty without a traceparent."""
    return traceparent[3:35]


def span_id(traceparent: bytes) -> bytes:
    """16 hexadecimal digits; empty without a traceparent."""
    return traceparent[36:52]


def own_line(traceparent: bytes) -> bytes:
    """The gateway's traceparent as the line after the request id; empty without one."""
    return b"\r\ntraceparent: %b" % traceparent if traceparent else b""


def context_lines(lines: Sequence[bytes], inbound: bytes, own: bytes) -> list[bytes]:
    """The lines of a client's headers, with only the part of its trace context that is forwarded.

    `inbound` is the client's valid traceparent or empty, `own` the one with which the gateway replaces it.
    """
    dropped: tuple[bytes, ...] = () if inbound else (_PARENT, _STATE)
    if own:
        dropped = (*dropped, _PARENT)
    return [line for line in lines if not line.startswith(dropped)]
