"""Run the gateway: its sockets, its worker processes, its two listeners, its drain.

uvicorn serves; this file gives it the protocol class, both sockets, and signals that end a worker with its
requests answered and its admin listener up to the last.
"""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterable, Iterator
from functools import partial

import uvicorn
import uvloop
from typing_extensions import override

from app.logs import catch_foreign, open_log
from app.main import create_app
from app.proxy.protocol import GatewayProtocol
from app.settings import Settings
from app.workers import parent_sentinel, supervise

_BACKLOG = 2048
_LOG = logging.getLogger("postgate")


class PortTaken(Exception):
    """A listener's address is in use."""


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: two of them live in one process."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises PortTaken."""
    sockets = [_bind(settings.host, settings.port), _bind(settings.admin_host, settings.admin_port)]
    _raise_file_limit()
    worker = partial(_run_worker, settings, *sockets)
    if settings.workers == 1:
        worker()
    else:
        sys.exit(supervise(worker, settings.workers, on_stop=partial(_close, sockets)))


def _run_worker(settings: Settings, public: socket.socket, admin: socket.socket) -> None:
    catch_foreign(open_log(settings.log_format))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, public, admin))


async def _serve(settings: Settings, public: socket.socket, admin: socket.socket) -> None:
    app = create_app(settings)
    server = _Server(
        uvicorn.Config(
            app,
            http=GatewayProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(settings.drain_seconds),
        )
    )
    admin_server = _Server(
        uvicorn.Config(
            app.state.admin,
            ws="none",  # /auth/verify is asked about WebSockets, and opens none
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who is believed is for TrustedProxies to say
            timeout_keep_alive=int(settings.idle_seconds),
        )
    )

    def stop() -> None:
        app.state.readiness.draining = True
        server.should_exit = True

    def interrupt() -> None:
        server.force_exit = server.should_exit  # Ctrl-C again: do not wait
        stop()

    def end_orphan(sentinel: int) -> None:
        loop.remove_reader(sentinel)
        stop()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    supervisor = parent_sentinel()
    if supervisor is not None:  # nobody would end a worker whose supervisor was killed
        loop.add_reader(supervisor, end_orphan, supervisor)
    _LOG.info("listening on %s, admin on %s", _name(public), _name(admin))
    admin_task = loop.create_task(admin_server.serve(sockets=[admin]))
    await server.serve(sockets=[public])
    admin_server.should_exit = True
    await admin_task
    _LOG.info("drained and ended")


def _name(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _close(sockets: Iterable[socket.socket]) -> None:
    for bound in sockets:
        bound.close()


def _raise_file_limit() -> None:
    """Each client takes a file descriptor, and so does each upstream connection."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise PortTaken(f"Cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}.") from error
    bound.set_inheritable(True)
    return bound
