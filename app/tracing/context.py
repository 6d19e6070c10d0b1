"""A traceparent for a request that brings none. Random: ids that repeat would join strangers' traces.

Nobody records the gateway's part, so it is not sampled (W3C Trace Context, section 3.2.2.5.1): what a service
behind it does about that is the service's own decision.
"""

from collections.abc import Sequence
from random import getrandbits

from app.core.http.headers import Header
from app.core.http.traces import inbound


def new_trace(headers: Sequence[Header]) -> bytes:
    """A context of the gateway's own; empty if the client's stands."""
    if inbound(headers):
        return b""
    return b"00-%032x-%016x-00" % (new_id(128), new_id(64))


def new_id(bits: int) -> int:
    """Zero is no id."""
    return getrandbits(bits) or 1
