"""A request whose credential is settled before it is relayed: a renewal, or a token of another issuer.

Either its access token has expired and its refresh cookie is there, or its Bearer is of an issuer and not
yet known. It waits, and is then decided again; an exchange takes its place. A body that comes meanwhile
waits with it, up to a bound.
"""

import asyncio
import time
from collections.abc import Sequence
from time import perf_counter

from typing_extensions import override

from app.core.http.routing import Route
from app.core.requests import Admitted, Renew, Renewed, Request
from app.core.session.cookie_rules import cookie_context
from app.core.session.cookies import finish
from app.errors import BodyTooLarge, GatewayError, InternalError, TokenRejected
from app.events import InternalFailure, RelayAborted, SessionRenewed
from app.proxy.cycle import Cycle
from app.proxy.exchange.client_side import ClientSide
from app.proxy.exchange.deadlines import overdue
from app.proxy.exchange.exchange import Exchange
from app.proxy.exchange.response import RelayedResponse
from app.proxy.exchange.upgrade import Upgrade

_HELD_BYTES = 65_536


class Renewal(Cycle):
    """One request that waits."""

    _is_half_closed = False  # by the client

    def __init__(
        self,
        client: ClientSide,
        renew: Renew | None,
        request: Request,
        admitted: Admitted,
        *,
        route: Route,
        upgrade: Upgrade | None,
        keep_alive: bool,
    ) -> None:
        self.request_id = request.request_id
        self.keep_alive = keep_alive
        self._client = client
        self._renew = renew
        self._request = request
        self._admitted = admitted
        self._route = route
        self._upgrade = upgrade
        self._began = perf_counter()
        self._touched = client.clock.now
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._set_cookies: Sequence[bytes] = ()  # of the renewed session
        self._task: asyncio.Task[None] | None = None

    @override
    def start(self) -> None:
        self._touched = self._client.clock.now
        self._task = asyncio.create_task(self._run())

    @override
    def receive_body(self, data: bytes) -> None:
        self._body.append(data)
        self._body_bytes += len(data)
        if 0 < self._route.body_bytes < self._body_bytes:
            self.break_off(BodyTooLarge())
        elif self._body_bytes > _HELD_BYTES:
            self._client.flow.pause_reading()

    @override
    def flush(self) -> None:
        """Nothing is written before the credential is settled."""

    @property
    @override
    def held_bytes(self) -> int:
        return self._body_bytes

    @override
    def half_close(self) -> bool:
        self._is_half_closed = True
        return True

    @override
    def break_off(self, error: GatewayError) -> None:
        if not self._is_over:
            error.headers += [(b"Set-Cookie", value) for value in self._set_cookies]
            self._client.reject_instead(self, self._request, self._admitted, error)

    @override
    def lose_client(self) -> None:
        self.disconnected = True
        if not self.response_complete:
            self.response_complete = True
            so_far = self._response().so_far()
            self._client.observe(RelayAborted(self.request_id, self._route.name, "client gone", so_far))

    @override
    def check_deadline(self, now: float) -> None:
        client = self._client
        reads_body = self.more_body and not client.flow.read_paused
        error = overdue(
            self._route,
            client.limits,
            now - self._touched,
            is_queued=False,
            is_started=False,
            is_endless=False,
            reads_body=reads_body,
        )
        if error is not None:
            self.break_off(error)

    # private

    @property
    def _is_over(self) -> bool:
        return self.disconnected or self.response_complete

    def _response(self) -> RelayedResponse:
        """The response that there would have been."""
        gateway, request, admitted = self._client.gateway, self._request, self._admitted
        response = RelayedResponse(gateway, request, admitted, self._route, set_cookies=(), began=self._began)
        response.request_bytes = self._body_bytes
        return response

    async def _run(self) -> None:
        try:
            if self._admitted.undecided is not None:
                admitted = await self._decide_token(self._admitted.undecided)
                if not self._is_over:
                    self._go_on(admitted)
                return
            renewed = await self._renew_session()
            if not self._is_over:
                self._go_on(self._decide(renewed))
        except GatewayError as error:
            self.break_off(error)
        except Exception as error:  # noqa: BLE001  a defect must not leave a client waiting
            self._client.observe(InternalFailure(self.request_id, error))
            self.break_off(InternalError())

    async def _decide_token(self, token: bytes) -> Admitted:
        """Decide the request again, with the decision about another issuer's token. Raises GatewayError."""
        gateway = self._client.gateway
        if gateway.decide_token is None:
            raise InternalError(reason="nothing decides about tokens of issuers")
        await gateway.decide_token(token)
        admitted = gateway.admission.decide(self._request, time.time())
        if admitted.undecided is not None:
            raise TokenRejected(reason="issuer: revoked or expired meanwhile")
        return admitted

    async def _renew_session(self) -> Renewed | None:
        if self._renew is None:
            return None
        began = perf_counter()
        renewed = await self._renew(self._request, self._admitted)
        took = perf_counter() - began
        is_renewed = renewed is not None
        self._client.observe(SessionRenewed(self.request_id, is_renewed, took, self._admitted.trace))
        return renewed

    def _decide(self, renewed: Renewed | None) -> Admitted:
        """Decide the request again, with the renewed session, or None if it is over. Raises GatewayError."""
        admission = self._client.gateway.admission
        if renewed is not None:
            client = self._admitted.client
            names, secure = admission.names(client), admission.secure(client)
            context = cookie_context(self._request.headers, client.host)
            self._set_cookies = finish(renewed.set_cookies, names, secure=secure, context=context)
        access = renewed.access if renewed is not None else b""
        return admission.decide(self._request, time.time(), access)

    def _go_on(self, admitted: Admitted) -> None:
        """Let an exchange take the place of this, with what has come of the body."""
        client, route = self._client, self._route
        exchange = Exchange(
            client,
            self._request,
            admitted,
            route=route,
            pool=client.gateway.upstreams[route.upstream],
            keep_alive=self.keep_alive,
            upgrade=self._upgrade,
            set_cookies=self._set_cookies,
            began=self._began,
        )
        client.replace(self, exchange)
        exchange.note_wait()
        for data in self._body:
            exchange.receive_body(data)
        if not self.more_body:
            exchange.receive_end()
        if self._is_half_closed:
            exchange.half_close()
        exchange.start()


def new_exchange(
    client: ClientSide, request: Request, admitted: Admitted, route: Route, *, keep_alive: bool
) -> Cycle:
    """The cycle that relays an admitted request: an exchange, or one that settles its credential first."""
    upgrade = Upgrade(client, request) if admitted.upgrades else None
    gateway = client.gateway
    if admitted.undecided is not None or (admitted.refresh is not None and gateway.renew is not None):
        return Renewal(
            client, gateway.renew, request, admitted, route=route, upgrade=upgrade, keep_alive=keep_alive
        )
    pool = gateway.upstreams[route.upstream]
    return Exchange(client, request, admitted, route=route, pool=pool, keep_alive=keep_alive, upgrade=upgrade)
