"""One serving process: its two servers, its signals, its drain, and its deadlines."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

import uvicorn
from fastapi import APIRouter, FastAPI
from typing_extensions import override

from app.build import BUILD, PYTHON, VERSION
from app.events import Drained, Listening, StopForced
from app.logs import Log, catch_foreign, open_log
from app.main import create_app
from app.metrics import SharedNumbers
from app.network import Loop
from app.proxy.client.protocol import GatewayProtocol
from app.server.admin import AdminProtocol
from app.server.deadline import HardDeadline
from app.server.lifeline import Lifeline
from app.server.stopping import Step, StopRequests
from app.settings import Settings
from app.system.limits import notices
from app.system.listeners import refuse_handshakes, url_of
from app.system.signals import ALL, STOP, handle_in_loop, ignore

_LEAVE_SECONDS: Final = 0.25  # for handshakes in progress; another process gets new ones
_CLOSE_SECONDS: Final = 0.2  # for uvicorn's steps around a drain
_UNWIND_SECONDS: Final = 1.5  # after a drain or a forced stop: to close pools and write the log

Load = Callable[[], Settings]


@dataclass(frozen=True, slots=True)
class Worker:
    """The work of one process. `load` reloads the settings."""

    settings: Settings
    load: Load
    public: socket.socket
    admin: socket.socket
    reloads: bool  # SIGHUP reloads; if false, it stops, because a terminal closed
    shared: SharedNumbers | None = None
    index: int = 0
    admin_routes: Sequence[APIRouter] = ()


def run_worker(worker: Worker, connection: Connection | None = None) -> None:
    """Serve until asked to stop. `connection` is the end of a lifeline, for a worker under a supervisor.

    SIGTERM, SIGINT and SIGHUP are ignored on return: the process is about to end.
    """
    log = open_log(worker.settings.log_format)
    catch_foreign(log)
    with HardDeadline(log) as deadline:
        try:
            with asyncio.Runner(loop_factory=Loop) as runner:
                runner.run(_Serving(worker, log, deadline, connection).run())
        finally:
            log.close()


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: two of them live in one process."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._on_started = on_started

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()


class _Serving:
    """The servers of one process, and how they end."""

    def __init__(
        self, worker: Worker, log: Log, deadline: HardDeadline, connection: Connection | None
    ) -> None:
        self._worker = worker
        self._log = log
        self._deadline = deadline
        self._lifeline = None if connection is None else Lifeline(connection)
        self._requests = StopRequests(counts=connection is None)

    async def run(self) -> None:
        # Created here, because the database pool belongs to the running loop
        worker = self._worker
        service = self._service = create_app(
            worker.settings,
            log=self._log,
            shared=worker.shared,
            worker_index=worker.index,
            admin_routes=worker.admin_routes,
        )
        self._public, self._admin = _servers(
            worker.settings, service.app, service.admin_app, self._emit_listening
        )
        self._handle_signals()
        admin_task = asyncio.create_task(self._admin.serve(sockets=[worker.admin]))
        await self._public.serve(sockets=[worker.public])
        self._admin.should_exit = True
        await admin_task
        if self._requests.is_forced:  # uvicorn skips it after a forced exit; the deadline bounds it
            await self._public.lifespan.shutdown()
        ignore(*ALL)
        if not self._requests.is_forced:
            self._service.emit(Drained(os.getpid()))

    def _handle_signals(self) -> None:
        if self._lifeline is not None:
            self._lifeline.watch(self._request_stop, partial(self._force, "second signal"))
        reload = partial(self._service.reload, self._worker.load)
        on_hangup = reload if self._worker.reloads else self._request_stop
        handle_in_loop({**dict.fromkeys(STOP, self._request_stop), signal.SIGHUP: on_hangup})

    def _emit_listening(self) -> None:
        worker = self._worker
        for notice in notices(worker.settings) if worker.index == 0 else []:
            self._service.emit(notice)
        self._service.emit(
            Listening(
                url_of(worker.public),
                url_of(worker.admin),
                VERSION,
                BUILD,
                PYTHON,
                os.getpid(),
            )
        )
        if self._lifeline is not None:
            self._lifeline.report_ready()

    def _request_stop(self) -> None:
        match self._requests.request(time.monotonic()):
            case Step.DRAIN:
                self._drain()
            case Step.FORCE:
                self._cut("second signal")
            case Step.NONE:
                pass

    def _force(self, reason: str) -> None:
        if self._requests.force(time.monotonic()) is Step.FORCE:
            self._cut(reason)

    def _drain(self) -> None:
        seconds = self._worker.settings.drain_seconds
        self._deadline.set(seconds + _UNWIND_SECONDS)
        self._service.readiness.draining = self._service.gateway.drains = True
        if self._service.delivery is not None:
            self._service.delivery.drain(seconds - _CLOSE_SECONDS)
        if not self._worker.settings.reuse_port:
            self._close(seconds)
            return
        refuse_handshakes(self._worker.public)
        refuse_handshakes(self._worker.admin)
        asyncio.get_running_loop().call_later(_LEAVE_SECONDS, self._close, seconds - _LEAVE_SECONDS)

    def _close(self, seconds: float) -> None:
        """Close the listeners; requests in flight have `seconds` left."""
        for server in (self._public, self._admin):
            server.config.timeout_graceful_shutdown = max(0, seconds - _CLOSE_SECONDS)  # type: ignore[assignment]
        self._public.should_exit = True
        if self._worker.settings.reuse_port:  # another process serves probes
            self._admin.should_exit = True

    def _cut(self, reason: str) -> None:
        """End at once, so that clients see incomplete responses as such."""
        self._deadline.set(_UNWIND_SECONDS)
        self._service.emit(StopForced(os.getpid(), reason))
        self._service.gateway.cut("forced stop")
        if self._service.delivery is not None:
            self._service.delivery.abort()
        for server in (self._public, self._admin):
            server.should_exit = server.force_exit = True
            for task in server.server_state.tasks:
                task.cancel()


def _servers(
    settings: Settings, app: FastAPI, admin_app: FastAPI, on_started: Callable[[], None]
) -> tuple[_Server, _Server]:
    """The server for clients, and the server for probes."""
    both: dict[str, Any] = {
        "ws": "none",  # the proxy lane tunnels WebSockets, and the admin listener opens none
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # TrustedProxies reads forwarding headers
    }
    public = uvicorn.Config(app, http=GatewayProtocol, lifespan="on", **both)
    admin = uvicorn.Config(
        admin_app,
        http=AdminProtocol,
        lifespan="off",
        timeout_keep_alive=settings.idle_seconds,  # type: ignore[arg-type]  # passed to call_later
        **both,
    )
    return _Server(public, on_started), _Server(admin)
