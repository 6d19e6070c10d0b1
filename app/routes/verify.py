"""Forward auth: another proxy asks whether a request may pass, and whose it is.

For Caddy's `forward_auth`, nginx' `auth_request` and Traefik's ForwardAuth. It stands on the second listener,
which browsers do not reach: the answer holds the access token, and no script may read that. What the asking
proxy says of the request (X-Forwarded-*) is believed there, as nobody else can say it; where it says nothing,
the stricter thing is assumed. Whatever passes has an identity: the answer replaces what the client claimed.

The request is judged by the rules for one that is relayed, as they are at the moment, with one route for
everything.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from fastapi import APIRouter, Request, Response

from app.core.admission import Admission
from app.core.cookies import CookieNames, finish, read_session
from app.core.forwarding import Peer
from app.core.headers import Header
from app.core.requests import Renew
from app.core.requests import Request as RequestHead
from app.core.routing import Route, Router
from app.core.targets import path_of, split_target
from app.core.tokens import VerifiedToken
from app.errors import CredentialMissing, GatewayError, Headers, InternalError, render
from app.events import InternalFailed, Observer, RequestRefused, RequestVerified, SessionRenewed

VERIFY_PATH = "/auth/verify"
# What is said of the asking proxy's own message and not of the request that it asks about
_OF_THE_MESSAGE = frozenset(
    {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"te", b"via"}
)
_REDIRECT, _UNAUTHORIZED = 302, 401


def verify_routes(
    rules_now: Callable[[], Admission], renew: Renew, new_request_id: Callable[[], bytes], observe: Observer
) -> APIRouter:
    everything = Router([Route("verify", b"/", "", b"")], functions=(), rpc_prefixes=())
    router = APIRouter()

    @router.get(VERIFY_PATH)
    async def verify(request: Request, redirect: str = "") -> Response:
        began = time.perf_counter()
        rules = replace(rules_now(), router=everything)
        head = _original(request, new_request_id())
        cookies: list[bytes] = []
        try:
            token = await _judge(rules, renew, observe, head, cookies)
        except GatewayError as error:
            status, headers, body = _refuse(error, head, rules, observe)
            headers += rules.origins.answer_headers(_first(head.headers, b"origin"))
            if redirect == "no" and status == _REDIRECT:  # nginx takes 401 and 403 for a no, and nothing else
                status = _UNAUTHORIZED
            return _answer(status, headers, body, cookies)
        except Exception as error:  # noqa: BLE001  the framework would log the error's text
            observe(InternalFailed(head.request_id, error))
            return _answer(*_refuse(InternalError(), head, rules, observe), cookies)
        observe(_verified(token, head, rules, time.perf_counter() - began))
        return _answer(204, _identity(token, head, rules.cookies), b"", cookies)

    return router


async def _judge(
    rules: Admission, renew: Renew, observe: Observer, head: RequestHead, cookies: list[bytes]
) -> VerifiedToken:
    """Whose request it is. Adds the cookies of a session that was renewed, whatever comes of it."""
    admitted = rules.decide(head, time.time())
    if admitted.refresh is not None:
        began = time.perf_counter()
        renewed = await renew(head, admitted)
        observe(SessionRenewed(head.request_id, renewed is not None, time.perf_counter() - began))
        if renewed is not None:
            cookies += finish(renewed.set_cookies, rules.cookies, secure=rules.secure(admitted.client))
        admitted = rules.decide(head, time.time(), renewed.access if renewed is not None else b"")
    if admitted.token is None:  # a preflight has none, and nobody can tell that it is one
        raise CredentialMissing(reason="preflight")
    return admitted.token


def _original(request: Request, request_id: bytes) -> RequestHead:
    """The head of the request that is asked about. A method that nobody names may be any: unsafe."""
    headers: Sequence[Header] = request.scope["headers"]
    client = request.client
    return RequestHead(
        method=_method(headers),
        target=_target(_first(headers, b"x-forwarded-uri")),
        version="1.1",
        headers=[header for header in headers if header[0] not in _OF_THE_MESSAGE],
        head_bytes=0,
        upgrade=False,
        peer=Peer(client.host if client is not None else "", "http", trusted=True, lines=b""),
        request_id=request_id,
    )


def _method(headers: Sequence[Header]) -> bytes:
    told = [value for name, value in headers if name == b"x-forwarded-method"]
    # Upgrade ends at the proxy, this one does not: a page of any origin could open a WebSocket
    opens_websocket = any(name == b"sec-websocket-version" for name, _ in headers)
    return told[0] if len(told) == 1 and not opens_websocket else b"POST"


def _target(told: bytes) -> bytes:
    """The path to come back to after signing in; it decides nothing."""
    try:
        split_target(told)
    except GatewayError:
        return b"/"
    return told


def _first(headers: Sequence[Header], wanted: bytes) -> bytes:
    return next((value for name, value in headers if name == wanted), b"")


def _refuse(
    error: GatewayError, head: RequestHead, rules: Admission, observe: Observer
) -> tuple[int, Headers, bytes]:
    client = rules.proxies.address_of(head.peer, head.headers)
    why = (error.status, error.code, error.reason)
    observe(RequestRefused(head.request_id, head.method, *why, client, path_of(head.target)))
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
    if body:
        response.raw_headers.append((b"content-length", b"%d" % len(body)))
    return response


def _set(cookies: list[bytes]) -> Headers:
    """Each cookie by a name of its own as well: nginx and Caddy join what has one name, and so break them."""
    fields = [(b"Set-Cookie", cookie) for cookie in cookies]
    return fields + [(b"X-Auth-Set-Cookie-%d" % number, value) for number, value in enumerate(cookies, 1)]
