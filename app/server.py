"""Run the gateway: its worker processes, its two listeners, its signals, its drain.

uvicorn serves; this file gives it the protocol class, both sockets, and signals that reload the settings or
end a worker with its requests answered.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from app.events import Drained, Listening
from app.logs import Log, LogLines, catch_foreign, open_log
from app.main import create_app
from app.measuring import VERSION
from app.metrics import SharedNumbers
from app.network import Loop
from app.proxy.protocol import GatewayProtocol
from app.reloading import merged
from app.settings import Settings, SettingsInvalid, load_settings
from app.sockets import PortTaken, bind, raise_file_limit, turn_away, url_of
from app.system import notices
from app.workers import Supervisor, parent_sentinel

__all__ = ["PortTaken", "serve"]

_LEAVE_SECONDS: Final = 0.25  # for handshakes that have begun, where another process takes the next ones

Load = Callable[[], Settings]


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: two of them live in one process."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Worker:
    """What one process is to serve. `load` reads the settings again."""

    settings: Settings
    load: Load
    public: socket.socket
    admin: socket.socket
    reloads: bool  # on SIGHUP; else that is a terminal that went away
    shared: SharedNumbers | None = None
    place: int = 0


def serve(settings: Settings, load: Load = load_settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises PortTaken."""
    _hold_hangup()
    public = bind(settings.host, settings.port, reuse_port=settings.reuse_port)
    admin = bind(settings.admin_host, settings.admin_port, reuse_port=settings.reuse_port)
    raise_file_limit()
    reloads = sys.stdin is None or not sys.stdin.isatty()
    if settings.workers == 1:
        run_worker(Worker(settings, load, public, admin, reloads))
        return
    shared = SharedNumbers(settings.workers)
    lines = LogLines(open_log(settings.log_format))
    current = settings

    def make(place: int) -> Callable[[], None]:
        return partial(run_worker, Worker(current, load, public, admin, reloads, shared, place))

    def reload() -> None:
        """Workers to come get what those that serve find in the same files."""
        nonlocal current
        with contextlib.suppress(SettingsInvalid):  # they will say so
            current = merged(current, load())

    def close() -> None:
        public.close()
        admin.close()

    on_hangup = reload if reloads else None
    supervisor = Supervisor(make, on_stop=close, on_hangup=on_hangup, observe=lines)
    sys.exit(supervisor.run(settings.workers))


def run_worker(worker: Worker) -> None:
    log = open_log(worker.settings.log_format)
    catch_foreign(log)
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(_serve(worker, log))
    finally:
        log.close()


async def _serve(worker: Worker, log: Log) -> None:
    # In here, as the database's pool belongs to the loop in which it is made
    app = create_app(worker.settings, log=log, shared=worker.shared, place=worker.place)
    server, admin_server = _servers(worker.settings, app)
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = True
        admin_server.should_exit = worker.settings.reuse_port  # the next process has a listener there

    def stop() -> None:
        app.state.readiness.draining = app.state.gateway.drains = True
        if worker.settings.reuse_port:
            turn_away(worker.public)
            turn_away(worker.admin)
            loop.call_later(_LEAVE_SECONDS, end)
        else:
            end()

    def interrupt() -> None:
        server.force_exit = server.should_exit  # Ctrl-C again: do not wait
        stop()

    def end_orphan(sentinel: int) -> None:
        loop.remove_reader(sentinel)
        stop()

    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGHUP, partial(app.state.reload, worker.load) if worker.reloads else stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))
    supervisor = parent_sentinel()
    if supervisor is not None:  # nobody would end a worker whose supervisor was killed
        loop.add_reader(supervisor, end_orphan, supervisor)
    for notice in notices(worker.settings) if worker.place == 0 else []:
        app.state.observe(notice)
    app.state.observe(Listening(url_of(worker.public), url_of(worker.admin), VERSION, os.getpid()))
    admin_task = loop.create_task(admin_server.serve(sockets=[worker.admin]))
    await server.serve(sockets=[worker.public])
    admin_server.should_exit = True
    await admin_task
    app.state.observe(Drained(os.getpid()))


def _servers(settings: Settings, app: FastAPI) -> tuple[_Server, _Server]:
    """The one for clients, and the one for probes."""
    both: dict[str, Any] = {
        "ws": "none",  # a tunnel is the relay's; /auth/verify is asked about WebSockets, and opens none
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # who is believed is for TrustedProxies to say
    }
    public = uvicorn.Config(
        app,
        http=GatewayProtocol,
        lifespan="on",
        timeout_graceful_shutdown=int(settings.drain_seconds),
        **both,
    )
    admin = uvicorn.Config(
        app.state.admin,
        http="httptools",
        lifespan="off",
        timeout_keep_alive=int(settings.idle_seconds),
        **both,
    )
    return _Server(public), _Server(admin)


def _hold_hangup() -> None:
    """Keep SIGHUP back, in this process and in those it starts, until somebody is there to take it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
