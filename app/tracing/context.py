"""A traceparent for a request that brings none. Random: ids that repeat would join strangers' traces.

Nobody records the gateway's part, so it is not sampled (W3C Trace Context, section 3.2.2.5.1): what a service
behind it does about that is the service's own decision.
"""

from collections.abc import Sequence
from random import getrandbits

from app.core.headers import Header
from app.core.traces import is_traceparent


def inbound(headers: Sequence[Header]) -> bytes:
    """The client's traceparent, if there is one and it is good."""
    found = [value for name, value in headers if name == b"traceparent"]
    return found[0] if len(found) == 1 and is_traceparent(found[0]) else b""


def new_trace(headers: Sequence[Header]) -> bytes:
    """A context of the gateway's own; empty if the client's stands."""
    if inbound(headers):
        return b""
    return b"00-%032x-%016x-00" % (new_id(128), new_id(64))


def new_id(bits: int) -> int:
    """Zero is no id."""
    return getrandbits(bits) or 1
