"""The endpoints of the listed auth functions: /rpc/login, /rpc/logout, /rpc/refresh_token and others.

The protocol has admitted the request before, and its result is in `request.state`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter, time

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from app.auth.functions import FunctionCall
from app.auth.limits.guard import GuardedFunctions
from app.auth.refresh_calls import with_refresh_token
from app.auth.renewal import Renewals
from app.auth.replies import Reply
from app.auth.sign_ins import signs_in
from app.auth.sign_outs import SignOuts
from app.catalogue import Entry
from app.core.admission import Admission
from app.core.http.forwarding import Client, sql_headers
from app.core.http.headers import Header
from app.core.requests import Admitted
from app.core.session.cookie_names import CookieNames
from app.core.session.cookie_rules import cookie_context
from app.core.session.cookies import clear_session, deletes, name_of, plain_cookies, signs_out, value_of
from app.core.tokens.verify import VerifiedToken
from app.errors import BodyTooLarge, GatewayError, InternalError
from app.events import FunctionCalled, FunctionFailed, InternalFailure, Observer
from app.routes.renewing import Fresh, cookie_header, refresh_of, renew_first
from app.routes.replying import harden_headers, respond, set_lines, written_cookies
from app.routes.signing_out import completed


@dataclass(frozen=True, slots=True)
class FunctionEndpoints:
    """The endpoints of the auth functions. `rules` and `body_limit` return values that a reload changes."""

    catalogue: Mapping[str, Entry]
    functions: GuardedFunctions
    renewals: Renewals
    sign_outs: SignOuts
    rules: Callable[[], Admission]
    observe: Observer
    body_limit: Callable[[], int]

    async def call(self, request: Request, name: str) -> Response:
        """Call a function for an admitted request, and respond. Raises GatewayError."""
        began = perf_counter()
        admission = self.rules()
        admitted: Admitted = request.state.admitted
        cookies = admission.names(admitted.client)
        request_id: bytes = request.state.request_id
        request.state.function = name
        entry = self.catalogue[name]
        fresh = Fresh(request.scope["headers"])
        try:
            if entry.renews_first and not _has_valid_token(fresh.headers, admission, admitted.client):
                fresh = await renew_first(
                    fresh.headers, admitted, admission, self.renewals.renew, self.observe, request_id
                )
            token = admission.token_of(fresh.headers, admitted.client, time())
            called = await self._read_call(request, entry, fresh.headers, token)
            reply = await self.functions.call(called, partial(_disconnected, request))
            reply = completed(entry, reply, cookies)
            self._revoke_earlier(called, reply, fresh, admission, cookies)
            if token is not None and not entry.needs_session and signs_out(written_cookies(reply), cookies):
                await self._revoke_everywhere(token, admission, admitted)
            context = cookie_context(request.scope["headers"], admitted.client.host)
            headers = harden_headers(reply, fresh, admission, admitted, context)
        except ClientDisconnect:
            return Response(status_code=400)  # never sent: the client has disconnected
        except GatewayError as error:
            error.headers = [*error.headers, *set_lines(fresh.set_cookies, admission, admitted)]
            raise
        except Exception as error:
            # Not in a handler of the framework, which would log the error's text too
            self.observe(InternalFailure(request_id, error))
            raise InternalError(headers=set_lines(fresh.set_cookies, admission, admitted)) from error
        if reply.sqlstate is not None:
            self.observe(FunctionFailed(request_id, name, reply.sqlstate))
        seconds = perf_counter() - began
        self.observe(_called(request_id, called, reply, seconds, admitted, cookies))
        _record_renewal(reply, admission, cookies)
        return respond(reply, headers, admission, admitted, request_id)

    async def _read_call(
        self, request: Request, entry: Entry, headers: Sequence[Header], token: VerifiedToken | None
    ) -> FunctionCall:
        admission, client = self.rules(), request.state.admitted.client
        names = admission.names(client)
        call = FunctionCall(
            name=entry.name,
            path=f"/rpc/{entry.name}",
            query=request.scope["query_string"],
            headers=_for_sql(sql_headers(headers, client), names),
            body=await _read_body(request, self.body_limit()),
            address=client.address,
            session=(token.session or "") if token is not None else "",
            subject=(token.subject or "") if token is not None else "",
            role=token.role if token is not None else "",
            schema=entry.schema,
            is_page=_is_of_page(headers),
            claims=token.claims if token is not None else {},
        )
        if not entry.renews:
            return call
        return with_refresh_token(call, self.renewals.argument, refresh_of(headers, names))

    async def _revoke_everywhere(
        self, token: VerifiedToken, admission: Admission, admitted: Admitted
    ) -> None:
        """Reject the token here, and at the other gateways. Raises DatabaseUnavailable or DatabaseBusy."""
        admission.verifier.revoke_token(token)
        try:
            await self.sign_outs.announce(token, time())
        except GatewayError as error:  # the browser is signed out all the same
            cleared = clear_session(
                admission.names(admitted.client), secure=admission.secure(admitted.client)
            )
            error.headers = [*error.headers, *((b"Set-Cookie", value) for value in cleared)]
            raise

    def _revoke_earlier(
        self, call: FunctionCall, reply: Reply, fresh: Fresh, admission: Admission, cookies: CookieNames
    ) -> None:
        """Revoke the caller's earlier session if the reply ends it, before the database notifies.

        A renewal of it in flight is abandoned: its cookies would replace the new session's.
        """
        entry, written = self.catalogue[call.name], written_cookies(reply)
        is_over = signs_out(written, cookies)
        set_now = [value for value in written if name_of(value) in cookies.both and not deletes(value)]
        if not is_over and (entry.renews or not set_now):
            return
        for token in fresh.tokens or (refresh_of(fresh.headers, cookies),):
            if token:
                self.renewals.abandon(token)
        if not call.session:
            return
        if is_over or (entry.needs_session and _is_replaced(call, set_now, admission, cookies)):
            admission.verifier.revoke(call.session, time())


def session_routes(endpoints: FunctionEndpoints, *, prefixes: Iterable[str]) -> APIRouter:
    """One endpoint for each function and prefix."""
    router = APIRouter()

    def add(name: str) -> None:
        async def call(request: Request) -> Response:
            return await endpoints.call(request, name)

        for prefix in prefixes:
            router.add_api_route(prefix + name, call, methods=["POST"], include_in_schema=False)

    for name in endpoints.catalogue:
        add(name)
    return router


def _has_valid_token(headers: Sequence[Header], admission: Admission, client: Client) -> bool:
    """Whether the request has a valid access token."""
    return admission.token_of(headers, client, time()) is not None


def _is_replaced(
    call: FunctionCall, set_cookies: Sequence[bytes], admission: Admission, cookies: CookieNames
) -> bool:
    """Whether the new access token belongs to another session."""
    tokens = [value_of(value) for value in set_cookies if name_of(value) in cookies.accesses]
    token = admission.verifier.read_good(tokens[-1], time()) if tokens else None
    return token is not None and token.session != call.session


def _record_renewal(reply: Reply, admission: Admission, cookies: CookieNames) -> None:
    """Verify the access token that the function set, so that streams of its session last until it expires."""
    for cookie in written_cookies(reply):
        if name_of(cookie) == cookies.access and not deletes(cookie):
            with suppress(GatewayError):  # not signed with a key of the gateway
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


def _is_of_page(headers: Sequence[Header]) -> bool:
    """Whether a browser sent the request: no other client sends Fetch metadata or Origin by itself."""
    return any(name == b"origin" or name.startswith(b"sec-fetch-") for name, _ in headers)


def _for_sql(headers: Sequence[Header], names: CookieNames) -> list[Header]:
    """The headers with one Cookie line, which has the session's cookies as the gateway parsed them."""
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


async def _disconnected(request: Request) -> None:
    """Wait until the client disconnects, after its body was read. Raises ClientDisconnect."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    raise ClientDisconnect
