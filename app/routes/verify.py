"""Forward auth: another proxy asks whether to admit a request, and gets the identity for it.

For Caddy's `forward_auth`, nginx' `auth_request`, Traefik's ForwardAuth and Envoy's `ext_authz`. The endpoint
is on the admin listener, which browsers cannot reach: the response has the access token, which no script may
read. There the proxy is trusted, since only proxies can connect: it describes the request in X-Forwarded-*,
or, like Envoy, with the request's method, and with its path after the endpoint's. If the description is
missing or ambiguous, the stricter case applies. Every admitted request has an identity, which replaces the
client's claims.

The current rules for relayed requests apply, with one route for all paths.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from starlette.routing import Route as Endpoint
from starlette.types import Receive, Scope, Send

from app.core.admission import Admission
from app.core.http.forwarding import Peer
from app.core.http.headers import Header
from app.core.http.routing import Route, Router
from app.core.http.targets import path_of, split_target
from app.core.requests import Admitted, DecideToken, Renew
from app.core.requests import Request as RequestHead
from app.core.session.cookie_names import CookieNames
from app.core.session.cookies import finish, read_session
from app.core.tokens.verify import VerifiedToken
from app.errors import CredentialMissing, GatewayError, Headers, InternalError, render
from app.events import InternalFailure, Observer, RequestRejected, RequestVerified, SessionRenewed

VERIFY_PATH = "/auth/verify"
# Fields of the proxy's own message, not of the request it describes
_MESSAGE_FIELDS = frozenset(
    {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"te", b"via"}
)
_TARGET_FIELDS = frozenset({b"x-forwarded-uri", b"x-original-uri", b"x-original-url"})
_REDIRECT, _UNAUTHORIZED, _NO_CONTENT = 302, 401, 204


class Settle(NamedTuple):
    """The ways to settle a credential before its request is decided."""

    renew: Renew
    decide_token: DecideToken | None = None  # of another issuer


def verify_routes(
    rules_now: Callable[[], Admission], settle: Settle, new_request_id: Callable[[], bytes], observe: Observer
) -> APIRouter:
    """The endpoint; `rules_now` returns the current rules."""
    everything = Router([Route("verify", b"/", "", b"")], functions=(), rpc_prefixes=())

    async def verify(request: Request) -> Response:
        began = time.perf_counter()
        rules = replace(rules_now(), router=everything)
        head = _original(request, new_request_id())
        cookies: list[bytes] = []
        try:
            admitted = await _decide(rules, settle, observe, head, cookies)
            token = _token_of(admitted)
        except GatewayError as error:
            status, headers, body = _reject(error, head, rules, observe)
            headers += rules.origins.response_headers(_first(head.headers, b"origin"))
            if status == _REDIRECT and _takes_no_redirect(request):
                status = _UNAUTHORIZED  # nginx accepts only 401 and 403 as a rejection
            return _respond(status, headers, body, cookies)
        except Exception as error:  # noqa: BLE001  the framework would log the error's text
            observe(InternalFailure(head.request_id, error))
            return _respond(*_reject(InternalError(), head, rules, observe), cookies)
        observe(_verified(token, head, rules, time.perf_counter() - began))
        # Envoy accepts only 200 as an admission
        return _respond(
            _NO_CONTENT if _appended_target(request) is None else 200,
            _identity(token, head, rules.names(admitted.client)),
            b"",
            cookies,
        )

    router = APIRouter()
    for path in (VERIFY_PATH, VERIFY_PATH + "/{path:path}"):
        router.routes.append(Endpoint(path, _AnyMethod(verify)))
    return router


class _AnyMethod:
    """An endpoint as an ASGI app, which the router calls for every method."""

    def __init__(self, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(Request(scope, receive))
        await response(scope, receive, send)


async def _decide(
    rules: Admission, settle: Settle, observe: Observer, head: RequestHead, cookies: list[bytes]
) -> Admitted:
    """Decide, after a renewal if one is needed. Adds its cookies to `cookies`, also if it then raises."""
    admitted = rules.decide(head, time.time())
    if admitted.undecided is not None and settle.decide_token is not None:
        await settle.decide_token(admitted.undecided)
        return rules.decide(head, time.time())
    if admitted.refresh is not None:
        began = time.perf_counter()
        renewed = await settle.renew(head, admitted)
        observe(SessionRenewed(head.request_id, renewed is not None, time.perf_counter() - began))
        if renewed is not None:
            client = admitted.client
            cookies += finish(renewed.set_cookies, rules.names(client), secure=rules.secure(client))
        admitted = rules.decide(head, time.time(), renewed.access if renewed is not None else b"")
    return admitted


def _token_of(admitted: Admitted) -> VerifiedToken:
    """The identity of an admitted request. Raises CredentialMissing for a preflight, which has none."""
    if admitted.token is None:
        raise CredentialMissing(reason="preflight")
    return admitted.token


def _original(request: Request, request_id: bytes) -> RequestHead:
    """The head of the request that the proxy describes."""
    headers: Sequence[Header] = request.scope["headers"]
    client = request.client
    appended = _appended_target(request)
    return RequestHead(
        method=_method(headers, request.method.encode() if appended is not None else None),
        target=_target(headers) if appended is None else _path_or_root(appended),
        version="1.1",
        headers=[header for header in headers if header[0] not in _MESSAGE_FIELDS],
        head_bytes=0,
        upgrade=False,
        peer=Peer(client.host if client is not None else "", "http", trusted=True, lines=b""),
        request_id=request_id,
    )


def _appended_target(request: Request) -> bytes | None:
    """The target after the endpoint's path; None: the headers have it."""
    path: bytes = request.scope["raw_path"]
    if request.scope["path"] == VERIFY_PATH:
        return None
    query: bytes = request.scope["query_string"]
    target = path.removeprefix(VERIFY_PATH.encode())
    return b"%b?%b" % (target, query) if query else target


def _takes_no_redirect(request: Request) -> bool:
    """Whether the proxy is configured with `?redirect=no`; an appended path has the client's query."""
    return _appended_target(request) is None and request.query_params.get("redirect") == "no"


def _method(headers: Sequence[Header], own: bytes | None) -> bytes:
    """The request's method: X-Forwarded-Method, or the proxy's own method if the path is appended.

    A missing or ambiguous method counts as unsafe. A client may send a header that the proxy does not set, so
    another header can make a method unsafe, but never safe.
    """
    methods = [value for name, value in headers if name == b"x-forwarded-method"]
    others = [value for name, value in headers if name == b"x-original-method"]
    if own is not None:
        others += methods
        methods = [own]
    # Proxies drop Upgrade, but not this field: a page of any origin could open a WebSocket
    opens_websocket = any(name == b"sec-websocket-version" for name, _ in headers)
    is_clear = len(methods) == 1 and not opens_websocket and all(other == methods[0] for other in others)
    return methods[0] if is_clear else b"POST"


def _target(headers: Sequence[Header]) -> bytes:
    """The path to return to after signing in; it has no effect on admission. `/` if it is ambiguous."""
    targets = {_without_origin(value) for name, value in headers if name in _TARGET_FIELDS}
    return _path_or_root(targets.pop()) if len(targets) == 1 else b"/"


def _without_origin(url: bytes) -> bytes:
    """The target in a URL: ingress-nginx sends a whole URL in X-Original-URL."""
    scheme, mark, rest = url.partition(b"://")
    return b"/" + rest.partition(b"/")[2] if mark and scheme in {b"http", b"https"} else url


def _path_or_root(target: bytes) -> bytes:
    try:
        split_target(target)
    except GatewayError:
        return b"/"
    return target


def _first(headers: Sequence[Header], wanted: bytes) -> bytes:
    return next((value for name, value in headers if name == wanted), b"")


def _reject(
    error: GatewayError, head: RequestHead, rules: Admission, observe: Observer
) -> tuple[int, Headers, bytes]:
    client = rules.proxies.address_of(head.peer, head.headers)
    why = (error.status, error.code, error.reason)
    observe(RequestRejected(head.request_id, head.method, *why, client, path_of(head.target)))
    return render(error, head.request_id)


def _verified(token: VerifiedToken, head: RequestHead, rules: Admission, seconds: float) -> RequestVerified:
    client = rules.proxies.address_of(head.peer, head.headers)
    who = (token.role, token.subject)
    return RequestVerified(
        head.request_id, head.method, *who, seconds, client, path_of(head.target), token.session
    )


def _identity(token: VerifiedToken, head: RequestHead, names: CookieNames) -> Headers:
    """The identity headers for the request, always all: for a missing one, a proxy keeps the client's."""
    fields = (line.partition(b": ") for line in (token.authorization + token.identity).splitlines())
    sent = b"; ".join(value for name, value in head.headers if name == b"cookie")
    return [
        (b"Cache-Control", b"no-store"),
        (b"X-Request-Id", head.request_id),
        *((name, value) for name, _, value in fields),
        (b"Cookie", read_session(sent, names).others),  # without the session's: services must not get them
    ]


def _respond(status: int, headers: Headers, body: bytes, cookies: list[bytes]) -> Response:
    response = Response(body, status)
    response.raw_headers = [*headers, *_set(cookies)]
    if status != _NO_CONTENT:
        response.raw_headers.append((b"content-length", b"%d" % len(body)))
    return response


def _set(cookies: list[bytes]) -> Headers:
    """Each cookie also in a separate field: nginx and Caddy join fields of one name, which breaks cookies."""
    fields = [(b"Set-Cookie", cookie) for cookie in cookies]
    return fields + [(b"X-Auth-Set-Cookie-%d" % number, value) for number, value in enumerate(cookies, 1)]
