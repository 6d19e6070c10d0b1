"""The head of a relayed request, made of the checked values."""

from app.core.facts import Facts
from app.core.http.framing import framing_line
from app.core.http.heads import UPGRADE_LINES, request_head
from app.core.http.routing import Policy, Route
from app.core.http.traces import context_lines, own_line
from app.core.tokens.verify import VerifiedToken


def upstream_head(route: Route, facts: Facts, token: VerifiedToken | None) -> bytes:
    """The head for the upstream of a route; `token` is the verified credential, or None."""
    request, read, client = facts.request, facts.read, facts.client
    if read.accept_profile and not (route.is_document and token is None):
        read.lines.append(read.accept_profile)
    if read.preflight_lines and route.policy is Policy.NONE:
        read.lines.append(read.preflight_lines)
    lines = read.lines
    own = request.trace
    if own or read.traceparents or read.has_tracestate:
        lines = context_lines(lines, read.traceparent, own)
    return request_head(
        request.method,
        route.upstream_path(facts.path) + facts.query,
        client.host if route.passes_host and client.host else route.authority,
        lines=lines,
        client=client,
        request_id=request.request_id,
        trace=own_line(own) if own else b"",
        prefix=route.prefix_line,
        cookie=facts.cookies.others,
        authorization=_credential_lines(route, token) if token is not None else b"",
        upgrade=UPGRADE_LINES if request.upgrade else b"",
        framing=framing_line(read, chunked=facts.chunked),
    )


def _credential_lines(route: Route, token: VerifiedToken) -> bytes:
    return token.authorization + token.identity if route.identity else token.authorization
