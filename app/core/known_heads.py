"""A known head: header bytes that were admitted before, behind another request line, from the same peer.

Most clients send the same headers byte for byte. They were parsed, checked and rewritten once; for a known
head only the target, the route and the token's time are checked again, by the same rules. Any other head is
decided in full.
"""

import re
from dataclasses import dataclass

from app.core.admission import Admission
from app.core.http.forwarding import Client, Peer
from app.core.http.headers import Header
from app.core.http.routing import Route
from app.core.http.targets import is_plain_path
from app.core.http.traces import own_line
from app.core.requests import Admitted, Request
from app.core.tokens.verify import VerifiedToken

BODILESS = (b"GET", b"HEAD")
_VERSION = b" HTTP/1.1"
_PLAIN_QUERY = re.compile(rb"[!-\"$-~]*").fullmatch


@dataclass(frozen=True, slots=True)
class KnownHead:
    """An admitted head, and what is needed to admit it again."""

    peer: Peer
    method: bytes
    tail: bytes  # the client's bytes from the end of the request line on
    headers: tuple[Header, ...]
    route: Route
    client: Client
    origin: bytes | None
    token: VerifiedToken
    trace: bytes  # the client's own traceparent, if it is good
    before: bytes  # the upstream's bytes between the target and the request id
    after: bytes  # and behind the request id, and the gateway's own traceparent


def known_head(request: Request, admitted: Admitted, data: bytes) -> KnownHead | None:
    """The record of an admitted head, if it was all of `data` and can be admitted again; else None."""
    route, token = admitted.lane, admitted.token
    if request.method not in BODILESS or request.version != "1.1" or not isinstance(route, Route):
        return None
    if token is None or admitted.sized or admitted.chunked or admitted.expects_continue or admitted.upgrades:
        return None
    line = b"%b %b%b" % (request.method, request.target, _VERSION)
    if not data.startswith(line + b"\r\n") or data.find(b"\r\n\r\n") != len(data) - 4:
        return None
    own = request.request_id + own_line(request.trace)
    id_line = b"\r\nX-Request-Id: %b\r\n" % own
    start = admitted.head.index(_VERSION)
    end = admitted.head.rindex(id_line) + len(id_line) - 2
    return KnownHead(
        request.peer,
        request.method,
        data[len(line) :],
        tuple(request.headers),
        route,
        admitted.client,
        admitted.origin,
        token,
        admitted.parent if request.trace else admitted.trace,
        admitted.head[start : end - len(own)],
        admitted.head[end:],
    )


def admit_known(  # noqa: PLR0917
    admission: Admission,
    earlier: KnownHead,
    data: bytes,
    peer: Peer,
    request_id: bytes,
    now: float,
    trace: bytes = b"",
) -> Admitted | None:
    """Admit `data` of a peer at `now` if it is the earlier head behind a plain request line.

    `trace` is a traceparent that the gateway has made for it, if it makes any.
    """
    end = data.find(b"\r\n")
    if end < 0 or data[end:] != earlier.tail or (peer is not earlier.peer and peer != earlier.peer):
        return None
    method, _, rest = data[:end].partition(b" ")
    target, blank, version = rest.partition(b" ")
    if method != earlier.method or blank + version != _VERSION or len(target) > admission.target_bytes:
        return None
    path, mark, query = target.partition(b"?")
    if not is_plain_path(path) or _PLAIN_QUERY(query) is None:
        return None
    route = earlier.route
    if not admission.router.leads(method, path, route) or not admission.verifier.is_live(earlier.token, now):
        return None
    if trace:
        request_id += own_line(trace)
    head = b"".join(
        (method, b" ", route.upstream_path(path), mark, query, earlier.before, request_id, earlier.after)
    )
    sent = trace or earlier.trace
    parent = earlier.trace if trace else b""
    return Admitted(route, earlier.client, earlier.origin, earlier.token, head, path, sent, parent)
