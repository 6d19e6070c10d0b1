"""The composition root: builds all parts of a gateway from its settings."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, FastAPI

from app.auth.mail.delivery import MailDelivery
from app.auth.renewal import Renewals
from app.catalogue import SHIPPED, Catalogue
from app.core.admission import Admission
from app.core.session.revocations import Revocations
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
from app.wiring.admission import admission, via_name
from app.wiring.database_parts import DatabaseParts, database_parts
from app.wiring.error_responses import render_errors
from app.wiring.functions import (
    listed_functions,
    new_sql_secret,
    sign_in_functions,
)
from app.wiring.issuers import admissions_of, issuer_service
from app.wiring.lifespan import lifespan_of
from app.wiring.measuring import meter_of
from app.wiring.observers import Observers, open_observers
from app.wiring.pools import limits, upstream_pools
from app.wiring.probes import PostgrestProbe, postgres_probe, postgrest_client
from app.wiring.reloading import Reloading, Running

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
    parts = database_parts(
        settings, catalogue, listed, rules.verifier, sql_secret, revocations, admissions, emit
    )
    gateway = _gateway(settings, rules, parts.renewals, observers)
    issuers = issuer_service(settings, admissions, parts.functions, gateway)
    prober = postgrest_client(settings.postgrest_url, seconds=PROBE_SECONDS)
    probe = PostgrestProbe(prober, settings)
    readiness = Readiness({"postgres": postgres_probe(parts.database), "postgrest": probe}, emit)
    gauged = (gateway, parts.database, parts.guard, revocations, parts.delivery, observers)
    meter = meter_of(*gauged, shared=shared, worker_index=worker_index)
    reloaded = (gateway, parts, revocations, observers, probe, keys, admissions)
    lifespan = lifespan_of(gateway, parts, issuers, observers, meter, readiness, prober)
    return Service(
        app=_app(gateway, parts, keys, emit, lifespan),
        admin_app=_admin_app(gateway, parts.renewals, readiness, meter, emit, admin_routes),
        gateway=gateway,
        readiness=readiness,
        delivery=parts.delivery,
        emit=emit,
        reload=Reloading(settings, Running(*reloaded, via, catalogue, sql_secret)).reload,
    )


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


def _app(
    gateway: Gateway,
    parts: DatabaseParts,
    keys: PublishedKeys,
    emit: Observer,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]],
) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    endpoints = FunctionEndpoints(
        parts.listed,
        parts.guard,
        parts.renewals,
        parts.sign_outs,
        lambda: gateway.admission,
        emit,
        body_limit=lambda: gateway.limits.auth_body_bytes,
    )
    app.include_router(session_routes(endpoints, prefixes=parts.prefixes))
    app.include_router(well_known_routes(keys, lambda: gateway.admission))
    render_errors(app, lambda: gateway.admission, emit)
    return app


def _admin_app(  # noqa: PLR0917
    gateway: Gateway,
    renewals: Renewals,
    readiness: Readiness,
    meter: Meter,
    emit: Observer,
    further: Sequence[APIRouter],
) -> FastAPI:
    app = create_admin_app(readiness, meter.exposition)
    settle = Settle(renewals.renew, gateway.decide_token)
    app.include_router(verify_routes(lambda: gateway.admission, settle, gateway.new_request_id, emit))
    for router in further:
        app.include_router(router)
    return app
