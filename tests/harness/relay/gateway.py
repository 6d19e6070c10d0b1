"""The gateway as it runs in production, in a thread of the tests' process: real sockets, its own loop."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from app.catalogue import SHIPPED, Catalogue
from app.events import Event
from app.main import create_app
from app.network import Loop
from app.proxy.client.connection import ClientConnection
from app.proxy.client.protocol import GatewayProtocol
from app.proxy.client.states import IDLE, TRANSITIONS, State
from app.proxy.client.watch import Watch
from app.proxy.gateway import Gateway
from app.proxy.upstream.pool import UpstreamPool
from app.settings import Settings
from app.tracing import Tracing
from harness.relay.deadlines import PATIENCE_SECONDS, wait_until
from harness.relay.tokens import SECRET

DEAD_DATABASE = "postgresql://gateway@127.0.0.1:1/none"
# All tests come from one address
UNLIMITED = {
    f"{limit}_limit_{scope}": "off"
    for limit, scope in (("login", "address"), ("login", "account"), ("login", "pair"), ("call", "address"))
}
AnyEvent = TypeVar("AnyEvent")


def settings_for(upstream_url: str, **changes: Any) -> Settings:
    """Settings for one upstream. The database is dead: the proxy lane lives without it."""
    return Settings.model_validate(
        {
            "database_url": DEAD_DATABASE,
            "postgrest_url": upstream_url,
            "jwt_secret": SECRET,
            **UNLIMITED,
            **changes,
        }
    )


@dataclass
class RunningGateway:
    """A gateway that listens. `events` is everything its observer was told."""

    port: int
    admin_port: int
    gateway: Gateway
    loop: asyncio.AbstractEventLoop
    events: list[Event] = field(default_factory=list)

    @property
    def pool(self) -> UpstreamPool:
        """PostgREST's pool."""
        return next(iter(self.gateway.upstreams.values()))

    @property
    def connections(self) -> list[GatewayProtocol]:
        """The connections of its clients."""
        watched = [watch.connection for watch in list(self.gateway.connections) if isinstance(watch, Watch)]
        return [connection for connection in watched if isinstance(connection, GatewayProtocol)]

    def events_of(self, kind: type[AnyEvent]) -> list[AnyEvent]:
        """Those so far; the callback that wrote what a test has just read emits its event before it ends."""
        if self.loop.is_running():
            self.take_turns(1)
        return [event for event in list(self.events) if isinstance(event, kind)]

    def wait_event(self, kind: type[AnyEvent]) -> AnyEvent:
        wait_until(lambda: self.events_of(kind), f"an event {kind.__name__}; there are {self.events!r}")
        return self.events_of(kind)[0]

    def take_turns(self, count: int) -> None:
        """Wait until its event loop has gone round: what was sent before has been read."""

        async def turn() -> None:
            for _ in range(count):
                await asyncio.sleep(0)

        if count:
            asyncio.run_coroutine_threadsafe(turn(), self.loop).result(PATIENCE_SECONDS)

    @property
    def is_quiet(self) -> bool:
        """Whether no client is connected, nothing is lent, dialled or queued, and no turn is taken."""
        pools = self.gateway.upstreams.values()
        return not self.gateway.connections and not any(
            pool.queued_exchanges or pool.open_connections or pool._in_flight for pool in pools
        )

    @override
    def __str__(self) -> str:
        pools = {
            name: (pool.open_connections, pool.queued_exchanges, len(pool._in_flight))
            for name, pool in self.gateway.upstreams.items()
        }
        return f"{len(self.gateway.connections)} clients; open, waiting and at work upstream: {pools}"


class TransitionUnknown(Exception):
    """The state of a connection changed in a way that is not in the table."""


class CheckedState:
    """In the place of the attribute: looks up each change, which would cost each request something."""

    def __get__(self, connection: object, _: object = None) -> State:
        state: State = vars(connection).get("checked_state", IDLE)
        return state

    def __set__(self, connection: object, state: State) -> None:
        earlier = self.__get__(connection)
        if state is not earlier and state not in TRANSITIONS[earlier]:
            raise TransitionUnknown(f"{earlier} -> {state}")
        vars(connection)["checked_state"] = state


ClientConnection.state = CheckedState()  # type: ignore[assignment]


def _listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=2048)


def _server(app: FastAPI, **changes: Any) -> uvicorn.Server:
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, proxy_headers=False, **changes
    )
    return uvicorn.Server(config)


@contextmanager
def running_gateway(
    settings: Settings, *, tracing: Tracing | None = None, catalogue: Catalogue = SHIPPED
) -> Iterator[RunningGateway]:
    """Serve as app/server does, until the block ends. `tracing` stands in for what the settings say."""
    public, admin = _listener(), _listener()
    events: list[Event] = []
    servers: list[uvicorn.Server] = []
    failures: list[BaseException] = []

    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        service = create_app(settings, catalogue=catalogue, observer=events.append, tracing=tracing)
        servers.append(
            _server(service.app, http=GatewayProtocol, ws="none", lifespan="on", timeout_graceful_shutdown=1)
        )
        servers.append(_server(service.admin_app, lifespan="off", timeout_graceful_shutdown=1))
        await asyncio.gather(servers[0].serve(sockets=[public]), servers[1].serve(sockets=[admin]))

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=Loop) as runner:
                runner.run(serve())
        except BaseException as error:  # noqa: BLE001  handed to the test's own thread
            failures.append(error)

    ports = public.getsockname()[1], admin.getsockname()[1]
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: failures or _started(servers), "the gateway to start")
        _raise_first(failures)
        yield RunningGateway(*ports, servers[0].lifespan.state["gateway"], loops[0], events)
    finally:
        for server in servers:
            server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        public.close()
        admin.close()
    _raise_first(failures)


def _started(servers: list[uvicorn.Server]) -> bool:
    return len(servers) == 2 and all(server.started for server in servers)


def _raise_first(failures: list[BaseException]) -> None:
    for failure in failures:
        raise failure


Start = Callable[..., RunningGateway]
