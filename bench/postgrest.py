"""The real upstream: the embedded Postgres and PostgREST with the demo's rows."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from app.devstack import DevStack, PostgrestOptions, find_programs, prepare_demo
from app.operator.migrations import migrate
from bench.bed import ROOT, Upstream, base64_of

_PROGRAMS = ROOT / ".postgate" / "programs"

# All load comes from one address
_UNLIMITED = {f"POSTGATE_LOGIN_LIMIT_{scope}": "off" for scope in ("ADDRESS", "ACCOUNT", "PAIR")}

_POOL = {"POSTGATE_POSTGREST_POOL": "10"}  # PostgREST's default

_BUSY = """
select count(*) as busy from pg_stat_activity
where usename in ('authenticator', 'gateway') and state <> 'idle'
"""
_SETTLE_SECONDS = 60.0
_CALM_LOOKS = 5


def _settle(stack: DevStack) -> None:
    """Wait until the database is idle several times in a row: PostgREST finishes abandoned requests."""
    deadline, calm = time.monotonic() + _SETTLE_SECONDS, 0
    while calm < _CALM_LOOKS:
        if time.monotonic() > deadline:
            raise TimeoutError("the database did not become idle after an earlier run")
        time.sleep(0.05)
        calm = 0 if stack.database.fetch(_BUSY)[0]["busy"] else calm + 1


@contextlib.contextmanager
def postgrest_upstream(folder: Path, secret: str) -> Iterator[Upstream]:
    environ = dict(os.environ)  # noqa: TID251 (where this machine's programs are found)
    programs = find_programs(_PROGRAMS, environ=environ, say=print)

    def options(_: str) -> PostgrestOptions:
        encoded = base64_of(secret)  # our secret: HAProxy's configuration cannot contain random bytes
        return PostgrestOptions(
            jwt_secret=encoded,
            schemas=("api", "auth"),
            listen="tcp",
            app_settings={"jwt_secret": encoded, "jwt_secret_is_base64": "true"},
        )

    with DevStack(
        folder / "stack",
        programs,
        environ=environ,
        prepare=prepare_demo(migrate),
        options=options,
        durable=False,
        keep=False,
    ) as stack:
        port = urlsplit(stack.postgrest_url).port
        if port is None:
            raise RuntimeError("PostgREST does not listen on a port")
        path = "/task?select=id,title,done&order=id"
        title = f"PostgREST {stack.postgrest.version} on Postgres {stack.postgres.version}"
        settings = {"POSTGATE_DATABASE_URL": stack.gateway_dsn, **_POOL, **_UNLIMITED}
        yield Upstream(title, port, path, settings, lambda: _settle(stack))


@contextlib.contextmanager
def limited_upstream(folder: Path, secret: str) -> Iterator[Upstream]:
    """The same, with Postgate's default limits."""
    with postgrest_upstream(folder, secret) as upstream:
        settings = {name: value for name, value in upstream.settings.items() if name not in _UNLIMITED}
        yield replace(upstream, settings=settings)
