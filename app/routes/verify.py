"""Forward auth: another proxy asks whether a request may pass, and whose it is.

For Caddy's `forward_auth`, nginx' `auth_request` and Traefik's ForwardAuth. It stands on the second listener,
which browsers do not reach: the answer holds the access token, and no script may read that. What the asking
proxy says of the request (X-Forwarded-*) is believed there, as nobody else can say it.

The request is judged by the same rules as one that is relayed: `rules` are the gateway's own, with one route
for everything.
"""

import time
from dataclasses import replace

from fastapi import APIRouter, Request, Response

from app.core.cookies import finish
from app.core.forwarding import Peer
from app.core.headers import Header
from app.core.requests import Admitted
from app.core.requests import Request as RequestHead
from app.core.routing import Route, Router
from app.core.targets import split_target
from app.core.tokens import VerifiedToken
from app.errors import GatewayError, Headers, render
from app.events import Observer, RequestRefused, SessionRenewed
from app.proxy.gateway import Gateway

VERIFY_PATH = "/auth/verify"
# What is said of the asking proxy's own message and not of the request that it asks about
_OF_THE_MESSAGE = frozenset(
    {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"te", b"via"}
)


def verify_routes(gateway: Gateway, observe: Observer) -> APIRouter:
    rules = replace(
        gateway.admission,
        router=Router([Route("verify", b"/", "", b"")], functions=(), rpc_prefixes=()),
    )
    router = APIRouter()

    @router.get(VERIFY_PATH)
    async def verify(request: Request) -> Response:
        head = _original(request, gateway.new_request_id())
        cookies: list[bytes] = []
        try:
            admitted = rules.decide(head, time.time())
            if admitted.refresh is not None and gateway.renew is not None:
                began = time.perf_counter()
                renewed = await gateway.renew(head, admitted)
                took = time.perf_counter() - began
                observe(SessionRenewed(head.request_id, renewed is not None, took))
                if renewed is not None:
                    cookies = finish(renewed.set_cookies, rules.cookies, secure=rules.secure(admitted.client))
                admitted = rules.decide(head, time.time(), renewed.access if renewed is not None else b"")
        except GatewayError as error:
            observe(RequestRefused(head.request_id, head.method, error.status, error.code, error.reason))
            status, headers, body = render(error, head.request_id)
            return _answer(status, headers, body, cookies)
        return _answer(204, _identity(admitted, head), b"", cookies)

    return router


def _original(request: Request, request_id: bytes) -> RequestHead:
    """The head of the request that is asked about. A method that nobody names may be any: unsafe."""
    headers: list[Header] = request.scope["headers"]
    told = dict(headers)
    upgrades = told.get(b"upgrade", b"").lower() == b"websocket"
    method = told.get(b"x-forwarded-method", b"POST").upper()
    client = request.client
    return RequestHead(
        method=b"POST" if upgrades else method,  # a page of any origin could open a WebSocket
        target=_target(told.get(b"x-forwarded-uri", b"/")),
        version="1.1",
        headers=[header for header in headers if header[0] not in _OF_THE_MESSAGE],
        head_bytes=0,
        upgrade=False,
        peer=Peer(client.host if client is not None else "", "http", trusted=True, lines=b""),
        request_id=request_id,
    )


def _target(told: bytes) -> bytes:
    """The path to come back to after signing in; it decides nothing."""
    try:
        split_target(told)
    except GatewayError:
        return b"/"
    return told


def _identity(admitted: Admitted, head: RequestHead) -> Headers:
    headers = [(b"Cache-Control", b"no-store"), (b"X-Request-Id", head.request_id)]
    return headers if admitted.token is None else headers + _lines(admitted.token)


def _lines(token: VerifiedToken) -> Headers:
    fields = (line.partition(b": ") for line in (token.authorization + token.identity).splitlines())
    return [(name, value) for name, _, value in fields]


def _answer(status: int, headers: Headers, body: bytes, cookies: list[bytes]) -> Response:
    response = Response(body, status)
    response.raw_headers = [*headers, *_set(cookies)]
    if body:
        response.raw_headers.append((b"content-length", b"%d" % len(body)))
    return response


def _set(cookies: list[bytes]) -> Headers:
    """Each cookie by a name of its own as well: nginx and Caddy join what has one name, and so break them."""
    fields = [(b"Set-Cookie", cookie) for cookie in cookies]
    return fields + [(b"X-Auth-Set-Cookie-%d" % number, value) for number, value in enumerate(cookies, 1)]
