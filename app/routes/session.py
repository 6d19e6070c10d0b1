"""The auth functions as endpoints: /rpc/login, /rpc/logout, /rpc/refresh_token and whatever else is listed.

The protocol has admitted the request; what it found out comes along in the scope, so nothing is read twice.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter, time

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from app.auth.functions import FunctionCall
from app.auth.limits.guard import GuardedFunctions
from app.auth.renewal import Renewals
from app.auth.replies import Reply
from app.auth.sign_ins import signs_in
from app.core.admission import Admission
from app.core.cookie_rules import Place, place_of
from app.core.cookies import (
    ANYWHERE,
    CookieNames,
    deletes,
    finish,
    name_of,
    plain_cookies,
    replaced,
    signs_out,
    value_of,
)
from app.core.forwarding import sql_headers
from app.core.headers import Header
from app.core.protection import PROTECTS
from app.core.requests import Admitted
from app.errors import BodyTooLarge, GatewayError, Headers, InternalError
from app.events import FunctionCalled, FunctionFailed, InternalFailed, Observer
from app.routes.renewing import Fresh, cookie_header, merged, refresh_of, renew_first


@dataclass(frozen=True, slots=True)
class FunctionNames:
    """The auth functions, and what some of them are."""

    all: tuple[str, ...]
    account: frozenset[str]  # they know their caller by the session
    account_checks: frozenset[str]  # of these, those that check a password
    refresh: str


def session_routes(
    functions: GuardedFunctions,
    renewals: Renewals,
    rules: Callable[[], Admission],
    observe: Observer,
    *,
    names: FunctionNames,
    prefixes: Iterable[str],
    body_limit: Callable[[], int],
) -> APIRouter:
    """One endpoint for each function and road to it. Rules and bounds may change, so they are asked for."""
    router = APIRouter()

    def add(name: str) -> None:
        async def call(request: Request) -> Response:
            began = perf_counter()
            admission = rules()
            admitted: Admitted = request.state.admitted
            request_id: bytes = request.state.request_id
            request.state.function = name
            fresh = Fresh(request.scope["headers"])
            try:
                if name in names.account_checks and admission.token_of(fresh.headers, time()) is None:
                    fresh = await renew_first(
                        fresh.headers, admitted, admission, renewals.renew, observe, request_id
                    )
                called = await _read_call(request, name, fresh.headers, admission, body_limit())
                reply = await functions.call(called, partial(_left, request))
                _leave_earlier(called, reply, fresh, admission, renewals, names)
                place = place_of(request.scope["headers"], admitted.client.host)
                headers = _harden(reply, fresh, admission, admitted, place)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is there to read it
            except GatewayError as error:
                error.headers = [*error.headers, *_set(fresh.set_cookies, admission, admitted)]
                raise
            except Exception as error:
                # Here and not in a handler of the framework's, which would log the error's text as well.
                observe(InternalFailed(request_id, error))
                raise InternalError(headers=_set(fresh.set_cookies, admission, admitted)) from error
            if reply.sqlstate is not None:
                observe(FunctionFailed(request_id, name, reply.sqlstate))
            observe(_called(request_id, called, reply, perf_counter() - began, admitted, admission.cookies))
            _note_renewal(reply, admission)
            return _answer(reply, headers, admission, admitted, request_id)

        for prefix in prefixes:
            router.add_api_route(prefix + name, call, methods=["POST"], include_in_schema=False)

    for name in names.all:
        add(name)
    return router


def _written(reply: Reply) -> list[bytes]:
    """The cookies that the function set or removed."""
    return [value for name, value in reply.headers if name.lower() == b"set-cookie"]


def _leave_earlier(  # noqa: PLR0917
    call: FunctionCall,
    reply: Reply,
    fresh: Fresh,
    admission: Admission,
    renewals: Renewals,
    names: FunctionNames,
) -> None:
    """Refuse the caller's earlier session where the reply ends it, before the database says so.

    A renewal of it that is under way comes to nothing: its cookies would replace the new session's.
    """
    cookies, written = admission.cookies, _written(reply)
    is_over = signs_out(written, cookies)
    set_now = [value for value in written if name_of(value) in cookies.both and not deletes(value)]
    if not is_over and (call.name == names.refresh or not set_now):
        return
    for token in fresh.tokens or (refresh_of(fresh.headers, cookies),):
        if token:
            renewals.abandon(token)
    if call.session and (is_over or (call.name in names.account and _is_replaced(call, set_now, admission))):
        admission.verifier.end(call.session, time())


def _is_replaced(call: FunctionCall, set_cookies: Sequence[bytes], admission: Admission) -> bool:
    """Whether the new access token is of another session."""
    tokens = [value_of(value) for value in set_cookies if name_of(value) in admission.cookies.accesses]
    token = admission.verifier.read_good(tokens[-1], time()) if tokens else None
    return token is not None and token.session != call.session


def _note_renewal(reply: Reply, admission: Admission) -> None:
    """Verify the access token that the function set: streams of its session may go on until it expires."""
    for cookie in _written(reply):
        if name_of(cookie) == admission.cookies.access and not deletes(cookie):
            with suppress(GatewayError):  # of another issuer
                admission.verifier.verify(value_of(cookie), time())


def _called(  # noqa: PLR0917
    request_id: bytes,
    call: FunctionCall,
    reply: Reply,
    seconds: float,
    admitted: Admitted,
    names: CookieNames,
) -> FunctionCalled:
    return FunctionCalled(
        request_id,
        call.name,
        reply.status,
        seconds,
        admitted.client.address,
        admitted.path,
        sets_session=signs_in(reply, names),
        trace=admitted.trace,
        parent=admitted.parent,
    )


async def _read_call(
    request: Request, name: str, headers: Sequence[Header], admission: Admission, body_limit: int
) -> FunctionCall:
    client = request.state.admitted.client
    token = admission.token_of(headers, time())
    return FunctionCall(
        name=name,
        path=f"/rpc/{name}",
        query=request.scope["query_string"],
        headers=_for_sql(sql_headers(headers, client), admission.cookies),
        body=await _read_body(request, body_limit),
        address=client.address,
        session=(token.session or "") if token is not None else "",
        token_id=token.token_id if token is not None else "",
        subject=(token.subject or "") if token is not None else "",
    )


def _for_sql(headers: Sequence[Header], names: CookieNames) -> list[Header]:
    """The headers with one Cookie line, which says of the session what was read here."""
    others = [header for header in headers if header[0] != b"cookie"]
    cookies = plain_cookies(cookie_header(headers), names)
    return [*others, (b"cookie", cookies)] if cookies else others


async def _read_body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise BodyTooLarge
    return bytes(body)


async def _left(request: Request) -> None:
    """Wait for the client to leave, of whom everything has been read. Raises ClientDisconnect."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    raise ClientDisconnect


def _set(
    set_cookies: Sequence[bytes], admission: Admission, admitted: Admitted, place: Place = ANYWHERE
) -> Headers:
    """Header lines that set cookies, hardened. Raises CookieUnusable."""
    secure = admission.secure(admitted.client)
    finished = finish(set_cookies, admission.cookies, secure=secure, place=place)
    return [(b"Set-Cookie", value) for value in finished]


def _harden(reply: Reply, fresh: Fresh, admission: Admission, admitted: Admitted, place: Place) -> Headers:
    """The reply's headers with its session hardened, and nothing for a cache to keep. Raises CookieUnusable.

    A sign-out also drops what the browser kept of the session: the back button would show a page that is
    kept alive without asking for it (https://www.w3.org/TR/clear-site-data/).
    """
    kept = [(name, value) for name, value in reply.headers if name.lower() != b"set-cookie"]
    written = _written(reply)
    secure = admission.secure(admitted.client)
    earlier = replaced(written, admission.cookies, admitted.path, secure=secure)
    kept += [(b"Set-Cookie", value) for value in earlier]
    kept += _set(merged(fresh.set_cookies, written), admission, admitted, place)
    present = {name.lower() for name, _ in kept}
    if b"cache-control" not in present:
        kept.append((b"Cache-Control", b"no-store"))
    if b"clear-site-data" not in present and signs_out(written, admission.cookies):
        kept.append((b"Clear-Site-Data", b'"cache"'))
    is_https = admitted.client.scheme == "https"
    bits = 0
    for name in present:
        bits |= PROTECTS.get(name, 0)
    return kept + admission.protection.headers(bits, is_https=is_https)


def _answer(
    reply: Reply, hardened: Headers, admission: Admission, admitted: Admitted, request_id: bytes
) -> Response:
    headers = [*hardened, (b"X-Request-Id", request_id)]
    if admitted.origin is not None:
        headers.extend(admission.origins.answer_headers(admitted.origin))
    if reply.body or reply.status not in {204, 304}:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    response = Response(reply.body, reply.status)
    response.raw_headers = headers
    return response
