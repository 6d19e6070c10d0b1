"""A traceparent for a request without one. Ids are random: repeated ids would join unrelated traces.

The gateway records no span here, so `sampled` is 0 (W3C Trace Context, section 3.2.2.5.1). A service behind
it may still sample.
"""

from collections.abc import Sequence
from random import getrandbits

from app.core.http.headers import Header
from app.core.http.traces import inbound


def new_trace(headers: Sequence[Header]) -> bytes:
    """A new context; empty if the client sent a valid one."""
    if inbound(headers):
        return b""
    return b"00-%032x-%016x-00" % (new_id(128), new_id(64))


def new_id(bits: int) -> int:
    """A random id. 0 is invalid."""
    return getrandbits(bits) or 1
