"""Run the gateway: its listening sockets, and one or several processes that serve them.

uvicorn serves. This package adds the protocol class, both sockets, and the signals that reload the settings
or drain a process.
"""

import contextlib
import signal
import sys
from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter

from app.logs import LogLines, open_log
from app.metrics import SharedNumbers
from app.server.supervisor import Supervisor, Target, WorkersFailed
from app.server.worker import Load, Worker, run_worker
from app.settings import Settings, SettingsInvalid, load_settings
from app.system.listeners import bind, raise_file_limit
from app.system.signals import ends_with_terminal, exit_on_stop, hold
from app.wiring.mail import check_templates
from app.wiring.reloading import merged


def serve(settings: Settings, load: Load = load_settings, admin_routes: Sequence[APIRouter] = ()) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `admin_routes`: more routes of the admin listener.

    Raises PortTaken, and SettingsInvalid for templates.

    Returns with SIGTERM, SIGINT and SIGHUP ignored. Exits with status 1 if a worker does not become ready.
    """
    check_templates(settings)
    reloads = not ends_with_terminal()
    hold(signal.SIGHUP)  # blocked in this process and its workers until they handle it
    exit_on_stop()
    public = bind(settings.host, settings.port, reuse_port=settings.reuse_port)
    admin = bind(settings.admin_host, settings.admin_port, reuse_port=settings.reuse_port)
    raise_file_limit()
    if settings.workers == 1:
        run_worker(Worker(settings, load, public, admin, reloads, admin_routes=admin_routes))
        return
    shared = SharedNumbers(settings.workers)
    lines = LogLines(open_log(settings.log_format))
    current = settings

    def make(index: int) -> Target:
        return partial(run_worker, Worker(current, load, public, admin, reloads, shared, index))

    def reload() -> None:
        """New workers get the settings that running workers read from the same files."""
        nonlocal current
        with contextlib.suppress(SettingsInvalid):  # the workers report it
            current = merged(current, load())

    def close() -> None:
        public.close()
        admin.close()

    supervisor = Supervisor(
        make,
        drain_seconds=settings.drain_seconds,
        on_stop=close,
        on_hangup=reload if reloads else None,
        observe=lines,
    )
    try:
        supervisor.run(settings.workers)
    except WorkersFailed as failed:
        sys.exit(str(failed))
