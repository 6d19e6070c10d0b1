"""The composition root: builds all parts of a gateway from its settings."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from fastapi import APIRouter, FastAPI

from app.auth.functions import AuthFunctions
from app.auth.limits.guard import GuardedFunctions, RenewalAttempts
from app.auth.listener import RevocationListener
from app.auth.mail.delivery import CHANNEL, MailDelivery
from app.auth.renewal import Renewals
from app.auth.sign_outs import SignOuts
from app.auth.token_sign_ins import TokenSignIns
from app.catalogue import SHIPPED, Catalogue, Entry
from app.core.admission import Admission
from app.core.session.revocations import Revocations
from app.core.tokens.admissions import Admissions
from app.events import Observer
from app.logs import Log
from app.metrics import Meter, Numbers, SharedNumbers
from app.proxy.clock import Clock
from app.proxy.gateway import Gateway
from app.routes.health import create_admin_app
from app.routes.readiness import PROBE_SECONDS, Readiness
from app.routes.session import FunctionEndpoints, session_routes
from app.routes.verify import Settle, verify_routes
from app.routes.well_known import PublishedKeys, well_known_routes
from app.settings import Settings
from app.tracing import Tracing
from app.wiring.admission import admission, cookie_names, rpc_prefixes, via_name
from app.wiring.error_responses import render_errors
from app.wiring.functions import (
    adopting_functions,
    auth_functions,
    listed_functions,
    new_sql_secret,
    sign_in_functions,
    token_sign_ins,
)
from app.wiring.issuers import IssuerService, admissions_of
from app.wiring.limits import guarded, renewal_attempts
from app.wiring.mail import mail_delivery
from app.wiring.measuring import meter_of
from app.wiring.observers import Observers, open_observers
from app.wiring.pools import database_pool, limits, upstream_pools
from app.wiring.probes import PostgrestProbe, postgres_probe, postgrest_client
from app.wiring.reloading import Reloading, Running
from app.wiring.revocations import revocation_listener

_FIRST_REVOCATIONS_SECONDS: Final = 2.0  # the start waits this long for the list of revoked sessions


@dataclass(frozen=True, slots=True)
class Service:
    """A gateway: its two apps, and what the serving process needs besides."""

    app: FastAPI  # for uvicorn with `GatewayProtocol`; its lifespan opens everything
    admin_app: FastAPI  # for the second listener
    gateway: Gateway
    readiness: Readiness
    delivery: MailDelivery | None
    emit: Observer
    reload: Callable[[Callable[[], Settings]], None]  # takes the function that reads the settings


@dataclass(frozen=True, slots=True)
class _Auth:
    """The parts that call Postgres."""

    listed: Mapping[str, Entry]
    prefixes: Sequence[str]  # of their paths
    database: "asyncpg.Pool[asyncpg.Record]"
    revocations: Revocations
    listener: RevocationListener
    sign_ins: TokenSignIns
    sign_outs: SignOuts
    guard: GuardedFunctions
    attempts: RenewalAttempts
    renewals: Renewals
    delivery: MailDelivery | None  # None: the gateway sends no mails


def create_app(
    settings: Settings,
    *,
    catalogue: Catalogue = SHIPPED,
    observer: Observer | None = None,
    log: Log | None = None,
    tracing: Tracing | None = None,
    shared: SharedNumbers | None = None,
    worker_index: int = 0,
    admin_routes: Sequence[APIRouter] = (),
) -> Service:
    """The whole gateway. Nothing is opened before the lifespan of its app starts.

    `observer` or `log` replaces the log of the settings, `tracing` the spans. `shared` and `worker_index` are
    for one of several processes. `admin_routes` are more routes of the admin listener.
    """
    listed = listed_functions(settings, catalogue)
    numbers = Numbers(sign_in_functions=sign_in_functions(listed))
    observers = open_observers(settings, numbers, observer=observer, log=log, tracing=tracing)
    emit, via, sql_secret, keys = observers.emit, via_name(), new_sql_secret(), PublishedKeys(settings)
    revocations = Revocations(refuse_unknown=settings.revocation_outage == "refuse")
    admissions = admissions_of(settings, revocations)
    rules = admission(settings, revocations, via, admissions)
    database = database_pool(settings)
    functions = auth_functions(settings, database, rules.verifier, sql_secret)
    adopting = adopting_functions(settings, database, rules.verifier, sql_secret)
    sign_ins = token_sign_ins(settings, listed, rules.verifier, functions, adopting)
    auth = _auth(settings, catalogue, listed, emit, database, sign_ins, revocations, admissions)
    gateway = _gateway(settings, rules, auth.renewals, observers)
    issuers = _issuers(settings, admissions, functions, gateway)
    prober = postgrest_client(settings.postgrest_url, seconds=PROBE_SECONDS)
    probe = PostgrestProbe(prober, settings)
    readiness = Readiness({"postgres": postgres_probe(auth.database), "postgrest": probe}, emit)
    gauged = (gateway, database, auth.guard, revocations, auth.delivery, observers)
    meter = meter_of(*gauged, shared=shared, worker_index=worker_index)
    calls = (functions, adopting, sign_ins, auth.guard, auth.attempts)
    reloaded = (gateway, *calls, revocations, observers, probe, keys, auth.delivery, admissions)
    lifespan = _lifespan(gateway, auth, issuers, observers, meter, readiness, prober)
    return Service(
        app=_app(gateway, auth, keys, emit, lifespan),
        admin_app=_with_routes(_admin_app(gateway, auth.renewals, readiness, meter, emit), admin_routes),
        gateway=gateway,
        readiness=readiness,
        delivery=auth.delivery,
        emit=emit,
        reload=Reloading(settings, Running(*reloaded, via, catalogue, sql_secret)).reload,
    )


def _auth(  # noqa: PLR0917
    settings: Settings,
    catalogue: Catalogue,
    listed: Mapping[str, Entry],
    emit: Observer,
    database: "asyncpg.Pool[asyncpg.Record]",
    sign_ins: TokenSignIns,
    revocations: Revocations,
    admissions: Admissions | None,
) -> _Auth:
    attempts = renewal_attempts(settings)
    delivery = mail_delivery(settings, database, emit)
    wakes = {} if delivery is None else {CHANNEL: delivery.wake}
    return _Auth(
        listed=listed,
        prefixes=rpc_prefixes(settings),
        database=database,
        revocations=revocations,
        listener=revocation_listener(settings, revocations, emit, wakes, admissions),
        sign_ins=sign_ins,
        sign_outs=SignOuts(database),
        guard=guarded(settings, sign_ins.call, database, catalogue, emit),
        attempts=attempts,
        renewals=Renewals(
            sign_ins.call,
            settings.refresh_function,
            settings.refresh_argument or "",
            cookie_names(settings).plain,
            attempts,
            time.monotonic,
            emit,
        ),
        delivery=delivery,
    )


def _issuers(
    settings: Settings, admissions: Admissions | None, functions: AuthFunctions, gateway: Gateway
) -> IssuerService | None:
    """The service that decides about tokens of issuers, wired to the gateway; None without issuers."""
    if admissions is None:
        return None
    service = IssuerService(settings, admissions, functions, lambda: gateway.admission, gateway.observe)
    gateway.decide_token = service.decide
    return service


def _gateway(settings: Settings, rules: Admission, renewals: Renewals, observers: Observers) -> Gateway:
    clock = Clock()
    return Gateway(
        admission=rules,
        upstreams=upstream_pools(settings, clock),
        limits=limits(settings),
        clock=clock,
        observe=observers.emit,
        count=observers.numbers.count_relayed,
        relayed=observers.relayed(),
        renew=renewals.renew,
        new_trace=observers.tracing.new_trace,
    )


def _lifespan(  # noqa: PLR0917
    gateway: Gateway,
    auth: _Auth,
    issuers: IssuerService | None,
    observers: Observers,
    meter: Meter,
    readiness: Readiness,
    prober: AbstractAsyncContextManager[Any],
) -> Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]:
    """Opens connections before the first request, ticks while the gateway serves, closes them at the end."""
    clock = gateway.clock

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        clock.start()
        clock.each_tick(gateway.check_deadlines)
        clock.each_tick(lambda _: observers.report(gateway.admission.proxies.take_unreadable()))
        clock.each_tick(lambda _: meter.publish())
        clock.each_tick(lambda _: observers.lines.tick())
        async with auth.database, prober, auth.guard, issuers.running() if issuers else nullcontext():
            listening = asyncio.create_task(auth.listener.run())
            await auth.listener.wait_first_attempt(_FIRST_REVOCATIONS_SECONDS)
            readiness.begun = True
            sending = None if auth.delivery is None else asyncio.create_task(auth.delivery.run())
            yield {"gateway": gateway}
            gateway.cut()
            if auth.delivery is not None and sending is not None:
                await auth.delivery.close()
                await sending
            for pool in gateway.upstreams.values():
                await pool.close()
            listening.cancel()
            await asyncio.to_thread(observers.tracing.close)
        clock.stop()

    return lifespan


def _app(
    gateway: Gateway,
    auth: _Auth,
    keys: PublishedKeys,
    emit: Observer,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]],
) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    endpoints = FunctionEndpoints(
        auth.listed,
        auth.guard,
        auth.renewals,
        auth.sign_outs,
        lambda: gateway.admission,
        emit,
        body_limit=lambda: gateway.limits.auth_body_bytes,
    )
    app.include_router(session_routes(endpoints, prefixes=auth.prefixes))
    app.include_router(well_known_routes(keys, lambda: gateway.admission))
    render_errors(app, lambda: gateway.admission, emit)
    return app


def _admin_app(
    gateway: Gateway, renewals: Renewals, readiness: Readiness, meter: Meter, emit: Observer
) -> FastAPI:
    app = create_admin_app(readiness, meter.exposition)
    settle = Settle(renewals.renew, gateway.decide_token)
    app.include_router(verify_routes(lambda: gateway.admission, settle, gateway.new_request_id, emit))
    return app


def _with_routes(app: FastAPI, routers: Sequence[APIRouter]) -> FastAPI:
    for router in routers:
        app.include_router(router)
    return app
