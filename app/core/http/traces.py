"""The trace context of a request (W3C Trace Context, level 1): read strictly, passed on or replaced.

A `traceparent` that cannot be read, or two of them, are no context: neither it nor `tracestate` goes on
(section 2.2.4: a state without its parent means nothing).
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
    return _TRACEPARENT(value) is not None


def inbound(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The client's traceparent, if there is one and it is good."""
    found = [value for name, value in headers if name == b"traceparent"]
    return found[0] if len(found) == 1 and is_traceparent(found[0]) else b""


def trace_id(traceparent: bytes) -> bytes:
    """32 hexadecimal digits; empty of nothing."""
    return traceparent[3:35]


def span_id(traceparent: bytes) -> bytes:
    """16 hexadecimal digits; empty of nothing."""
    return traceparent[36:52]


def own_line(traceparent: bytes) -> bytes:
    """The gateway's own context as it stands behind the request id; nothing if it has none."""
    return b"\r\ntraceparent: %b" % traceparent if traceparent else b""


def context_lines(lines: Sequence[bytes], inbound: bytes, own: bytes) -> list[bytes]:
    """The lines of a client's headers with as much of its trace context as goes on.

    `inbound` is its traceparent if that was good, `own` what the gateway writes in its place.
    """
    dropped: tuple[bytes, ...] = () if inbound else (_PARENT, _STATE)
    if own:
        dropped = (*dropped, _PARENT)
    return [line for line in lines if not line.startswith(dropped)]
