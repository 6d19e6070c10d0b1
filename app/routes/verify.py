"""Forward auth: another proxy asks whether a request may pass, and whose it is.

For Caddy's `forward_auth`, nginx' `auth_request`, Traefik's ForwardAuth and Envoy's `ext_authz`. It stands
on the second listener, which browsers do not reach: the answer holds the access token, and no script may read
that. What the asking proxy says of the request is believed there, as nobody else can say it: in
X-Forwarded-*, or, as Envoy does, by sending the request's own method and its path behind the endpoint's.
Where it says nothing, or two things, the stricter one is assumed. Whatever passes has an identity: the answer
replaces what the client claimed.

The request is judged by the rules for one that is relayed, as they are at the moment, with one route for
everything.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from fastapi import APIRouter, Request, Response
from starlette.routing import Route as Endpoint
from starlette.types import Receive, Scope, Send

from app.core.admission import Admission
from app.core.http.forwarding import Peer
from app.core.http.headers import Header
from app.core.http.routing import Route, Router
from app.core.http.targets import path_of, split_target
from app.core.requests import Admitted, Renew
from app.core.requests import Request as RequestHead
from app.core.session.cookie_names import CookieNames
from app.core.session.cookies import finish, read_session
from app.core.tokens.verify import VerifiedToken
from app.errors import CredentialMissing, GatewayError, Headers, InternalError, render
from app.events import InternalFailure, Observer, RequestRejected, RequestVerified, SessionRenewed

VERIFY_PATH = "/auth/verify"
# What is said of the asking proxy's own message and not of the request that it asks about
_OF_THE_MESSAGE = frozenset(
    {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"te", b"via"}
)
_NAMES_OF_TARGETS = frozenset({b"x-forwarded-uri", b"x-original-uri", b"x-original-url"})
_REDIRECT, _UNAUTHORIZED, _NO_CONTENT = 302, 401, 204


def verify_routes(
    rules_now: Callable[[], Admission], renew: Renew, new_request_id: Callable[[], bytes], observe: Observer
) -> APIRouter:
    everything = Router([Route("verify", b"/", "", b"")], functions=(), rpc_prefixes=())

    async def verify(request: Request) -> Response:
        began = time.perf_counter()
        rules = replace(rules_now(), router=everything)
        head = _original(request, new_request_id())
        cookies: list[bytes] = []
        try:
            admitted = await _judge(rules, renew, observe, head, cookies)
            token = _token_of(admitted)
        except GatewayError as error:
            status, headers, body = _refuse(error, head, rules, observe)
            headers += rules.origins.response_headers(_first(head.headers, b"origin"))
            if status == _REDIRECT and _takes_no_redirect(
                request
            ):  # nginx takes 401 and 403 for a no, and nothing else
                status = _UNAUTHORIZED
            return _answer(status, headers, body, cookies)
        except Exception as error:  # noqa: BLE001  the framework would log the error's text
            observe(InternalFailure(head.request_id, error))
            return _answer(*_refuse(InternalError(), head, rules, observe), cookies)
        observe(_verified(token, head, rules, time.perf_counter() - began))
        # Envoy takes 200 for a yes, and nothing else
        return _answer(
            _NO_CONTENT if _behind(request) is None else 200,
            _identity(token, head, rules.names(admitted.client)),
            b"",
            cookies,
        )

    router = APIRouter()
    for path in (VERIFY_PATH, VERIFY_PATH + "/{path:path}"):
        router.routes.append(Endpoint(path, _AnyMethod(verify)))
    return router


class _AnyMethod:
    """An endpoint as an ASGI app, which the router takes for one of every method."""

    def __init__(self, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(Request(scope, receive))
        await response(scope, receive, send)


async def _judge(
    rules: Admission, renew: Renew, observe: Observer, head: RequestHead, cookies: list[bytes]
) -> Admitted:
    """Decide, after a renewal where one is needed. Adds the cookies that it brings, whatever is decided."""
    admitted = rules.decide(head, time.time())
    if admitted.refresh is not None:
        began = time.perf_counter()
        renewed = await renew(head, admitted)
        observe(SessionRenewed(head.request_id, renewed is not None, time.perf_counter() - began))
        if renewed is not None:
            client = admitted.client
            cookies += finish(renewed.set_cookies, rules.names(client), secure=rules.secure(client))
        admitted = rules.decide(head, time.time(), renewed.access if renewed is not None else b"")
    return admitted


def _token_of(admitted: Admitted) -> VerifiedToken:
    """Whose request it is. Raises CredentialMissing."""
    if admitted.token is None:  # a preflight has none, and nobody can tell that it is one
        raise CredentialMissing(reason="preflight")
    return admitted.token


def _original(request: Request, request_id: bytes) -> RequestHead:
    """The head of the request that is asked about."""
    headers: Sequence[Header] = request.scope["headers"]
    client = request.client
    behind = _behind(request)
    return RequestHead(
        method=_method(headers, request.method.encode() if behind is not None else None),
        target=_target(headers) if behind is None else _path_or_root(behind),
        version="1.1",
        headers=[header for header in headers if header[0] not in _OF_THE_MESSAGE],
        head_bytes=0,
        upgrade=False,
        peer=Peer(client.host if client is not None else "", "http", trusted=True, lines=b""),
        request_id=request_id,
    )


def _behind(request: Request) -> bytes | None:
    """The target that stands behind the endpoint's own path; None: the headers name it."""
    path: bytes = request.scope["raw_path"]
    if request.scope["path"] == VERIFY_PATH:
        return None
    query: bytes = request.scope["query_string"]
    target = path.removeprefix(VERIFY_PATH.encode())
    return b"%b?%b" % (target, query) if query else target


def _takes_no_redirect(request: Request) -> bool:
    """What the asking proxy has in its own configuration: a query behind a client's path is the client's."""
    return _behind(request) is None and request.query_params.get("redirect") == "no"


def _method(headers: Sequence[Header], own: bytes | None) -> bytes:
    """The request's method: X-Forwarded-Method, or the question's own if the path stands behind.

    One that is told twice, or not at all, may be any: unsafe. What a proxy does not write, a client may: so
    another header can make a method unsafe, and none makes it safe.
    """
    told = [value for name, value in headers if name == b"x-forwarded-method"]
    others = [value for name, value in headers if name == b"x-original-method"]
    if own is not None:
        others += told
        told = [own]
    # Upgrade ends at the proxy, this one does not: a page of any origin could open a WebSocket
    opens_websocket = any(name == b"sec-websocket-version" for name, _ in headers)
    is_clear = len(told) == 1 and not opens_websocket and all(other == told[0] for other in others)
    return told[0] if is_clear else b"POST"


def _target(headers: Sequence[Header]) -> bytes:
    """The path to come back to after signing in; it decides nothing. Told two of them, it is the root."""
    told = {_without_origin(value) for name, value in headers if name in _NAMES_OF_TARGETS}
    return _path_or_root(told.pop()) if len(told) == 1 else b"/"


def _without_origin(url: bytes) -> bytes:
    """X-Original-URL is a whole URL, as ingress-nginx sends it."""
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


def _refuse(
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
    """Headers for the request, all of them always: a proxy that finds one missing keeps the client's."""
    fields = (line.partition(b": ") for line in (token.authorization + token.identity).splitlines())
    sent = b"; ".join(value for name, value in head.headers if name == b"cookie")
    return [
        (b"Cache-Control", b"no-store"),
        (b"X-Request-Id", head.request_id),
        *((name, value) for name, _, value in fields),
        (b"Cookie", read_session(sent, names).others),  # the session's two are nobody else's business
    ]


def _answer(status: int, headers: Headers, body: bytes, cookies: list[bytes]) -> Response:
    response = Response(body, status)
    response.raw_headers = [*headers, *_set(cookies)]
    if status != _NO_CONTENT:
        response.raw_headers.append((b"content-length", b"%d" % len(body)))
    return response


def _set(cookies: list[bytes]) -> Headers:
    """Each cookie by a name of its own as well: nginx and Caddy join what has one name, and so break them."""
    fields = [(b"Set-Cookie", cookie) for cookie in cookies]
    return fields + [(b"X-Auth-Set-Cookie-%d" % number, value) for number, value in enumerate(cookies, 1)]
