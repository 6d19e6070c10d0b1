"""The auth functions as endpoints: /rpc/login, /rpc/logout, /rpc/refresh_token and whatever else is listed.

The protocol has admitted the request; what it found out comes along in the scope, so nothing is read twice.
"""

from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter, time

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from app.auth.functions import FunctionCall
from app.auth.limits.guard import GuardedFunctions
from app.auth.replies import Reply
from app.core.admission import Admission
from app.core.cookies import CookieNames, deletes, finish, name_of, plain_cookies, replaced
from app.core.forwarding import sql_headers
from app.core.requests import Admitted
from app.errors import BodyTooLarge, GatewayError, Headers, InternalError
from app.events import FunctionCalled, FunctionFailed, InternalFailed, Observer


def session_routes(
    functions: GuardedFunctions,
    rules: Callable[[], Admission],
    observe: Observer,
    *,
    names: Iterable[str],
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
            try:
                called = await _read_call(request, name, admission, body_limit())
                reply = await functions.call(called, partial(_left, request))
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is there to read it
            except GatewayError:
                raise
            except Exception as error:
                # Here and not in a handler of the framework's, which would log the error's text as well.
                observe(InternalFailed(request_id, error))
                raise InternalError from error
            if reply.sqlstate is not None:
                observe(FunctionFailed(request_id, name, reply.sqlstate))
            observe(_called(request_id, name, reply, perf_counter() - began, admitted))
            if called.session and _signs_out(reply, admission.cookies):
                admission.verifier.end(called.session, time())
            return _answer(reply, admission, admitted, request_id)

        for prefix in prefixes:
            router.add_api_route(prefix + name, call, methods=["POST"], include_in_schema=False)

    for name in names:
        add(name)
    return router


def _written(reply: Reply) -> list[bytes]:
    """The cookies that the function set or removed."""
    return [value for name, value in reply.headers if name.lower() == b"set-cookie"]


def _signs_out(reply: Reply, names: CookieNames) -> bool:
    """Whether it removes the access cookie. Then nobody waits for the news that the session has ended."""
    return any(name_of(value) == names.access and deletes(value) for value in _written(reply))


def _called(request_id: bytes, name: str, reply: Reply, seconds: float, admitted: Admitted) -> FunctionCalled:
    return FunctionCalled(
        request_id,
        name,
        reply.status,
        seconds,
        admitted.client.address,
        admitted.path,
        sets_session=not all(deletes(value) for value in _written(reply)),
        trace=admitted.trace,
        parent=admitted.parent,
    )


async def _read_call(request: Request, name: str, admission: Admission, body_limit: int) -> FunctionCall:
    client = request.state.admitted.client
    token = admission.token_of(request.scope["headers"], time())
    return FunctionCall(
        name=name,
        path=f"/rpc/{name}",
        query=request.scope["query_string"],
        headers=[
            (field, plain_cookies(value, admission.cookies) if field == b"cookie" else value)
            for field, value in sql_headers(request.scope["headers"], client)
        ],
        body=await _read_body(request, body_limit),
        address=client.address,
        session=(token.session or "") if token is not None else "",
        token_id=token.token_id if token is not None else "",
    )


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


def _harden(reply: Reply, admission: Admission, admitted: Admitted) -> Headers:
    """The reply's headers with its cookies hardened, and nothing for a cache to keep.

    A sign-out also drops what the browser kept of the session: the back button would show a page that is
    kept alive without asking for it (https://www.w3.org/TR/clear-site-data/).
    """
    kept = [(name, value) for name, value in reply.headers if name.lower() != b"set-cookie"]
    secure = admission.secure(admitted.client)
    earlier = replaced(_written(reply), admission.cookies, admitted.path, secure=secure)
    kept += [(b"Set-Cookie", value) for value in earlier]
    kept += [(b"Set-Cookie", value) for value in finish(_written(reply), admission.cookies, secure=secure)]
    present = {name.lower() for name, _ in kept}
    if b"cache-control" not in present:
        kept.append((b"Cache-Control", b"no-store"))
    if b"clear-site-data" not in present and _signs_out(reply, admission.cookies):
        kept.append((b"Clear-Site-Data", b'"cache"'))
    kept.append((b"X-Content-Type-Options", b"nosniff"))
    return kept


def _answer(reply: Reply, admission: Admission, admitted: Admitted, request_id: bytes) -> Response:
    headers = [*_harden(reply, admission, admitted), (b"X-Request-Id", request_id)]
    if admitted.origin is not None:
        headers.extend(admission.origins.answer_headers(admitted.origin))
    if reply.body or reply.status not in {204, 304}:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    response = Response(reply.body, reply.status)
    response.raw_headers = headers
    return response
