"""The gauges of this process."""

import time
from typing import Final

import asyncpg

from app.auth.limits.guard import GuardedFunctions
from app.auth.mail.delivery import MailDelivery
from app.build import BUILD, PYTHON, VERSION
from app.core.session.revocations import Revocations
from app.metrics import Gauges, Meter, SharedNumbers
from app.proxy.gateway import Gateway
from app.wiring.observers import Observers

_STARTED: Final = time.time()


def meter_of(  # noqa: PLR0917  each with its own gauges
    gateway: Gateway,
    database: "asyncpg.Pool[asyncpg.Record]",
    guard: GuardedFunctions,
    revocations: Revocations,
    delivery: MailDelivery | None,
    observers: Observers,
    *,
    shared: SharedNumbers | None = None,
    worker_index: int = 0,
) -> Meter:
    numbers = observers.numbers

    def gauges() -> Gauges:
        pools = gateway.upstreams.items()
        return {
            "client_connections": len(gateway.connections),
            "upstream_connections": {(name,): pool.open_connections for name, pool in pools},
            "upstream_connections_idle": {(name,): pool.idle_connections for name, pool in pools},
            "upstream_queued": {(name,): pool.queued_exchanges for name, pool in pools},
            "database_connections": database.get_size(),
            "database_connections_idle": database.get_idle_size(),
            "password_checks_queued": guard.queued,
            "sessions_revoked": len(revocations),
            "revocations_connected": float(numbers.revocations_connected),
            "limit_store_lost": float(numbers.limit_store_lost),
            "build_info": {(VERSION, PYTHON, BUILD): 1},
            "start_time_seconds": _STARTED,
            **_of_mails(delivery),
        }

    def totals() -> dict[str, float]:
        return {"log_lines_lost": observers.lines.lost}

    return Meter(numbers, gauges, totals=totals, shared=shared, worker_index=worker_index)


def _of_mails(delivery: MailDelivery | None) -> Gauges:
    """No gauges where no mails are sent."""
    if delivery is None:
        return {}
    return {
        "mails_queued": delivery.queue.waiting,
        "mails_queued_oldest_seconds": delivery.queue.oldest_seconds,
        "mail_delivery_stopped": float(delivery.is_stopped),
    }
