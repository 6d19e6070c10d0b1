"""What the gateway relies on inside uvicorn, named: a new version fails here, loudly, and nowhere else.

uvicorn's protocol class is not a public interface. After an upgrade, read each source whose digest changed
against app/proxy/client/, app/proxy/cycle.py and app/server/worker.py; then renew the tables.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httptools
import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

from app.proxy.client.protocol import GatewayProtocol
from app.proxy.client.reader import RequestReader
from app.proxy.cycle import Cycle
from app.server import worker

VERSION = "0.54."
APP = Path(__file__).parents[2] / "app"

# Attributes of uvicorn's protocol that ours reads, sets or calls, besides those that it overrides.
PROTOCOL_ATTRIBUTES = {
    "client",
    "cycle",
    "expect_100_continue",
    "flow",
    "headers",
    "parser",
    "pipeline",
    "scheme",
    "scope",
    "server_state",
    "transport",
    "url",
}

# Methods of it that ours calls for a request of the app lane.
CALLED = {"on_body", "on_message_complete"}

# Methods that ours overrides: signature, and digest of the source that ours stands in for or calls.
OVERRIDDEN = {
    "__init__": (
        (
            "(self, config: 'Config', server_state: 'ServerState', app_state: 'dict[str, Any]', "
            "_loop: 'asyncio.AbstractEventLoop | None' = None) -> 'None'"
        ),
        "4f08999410347141",
    ),
    "_start_asgi_task": (
        "(self, cycle: 'RequestResponseCycle', app: 'ASGI3Application') -> 'None'",
        "9c08c2571ae9b038",
    ),
    "connection_lost": ("(self, exc: 'Exception | None') -> 'None'", "c91a4c9bf2e29c55"),
    "connection_made": ("(self, transport: 'asyncio.Transport') -> 'None'", "6efb565ff3d36b91"),
    "data_received": ("(self, data: 'bytes') -> 'None'", "010a7ae59a5d3b1a"),
    "eof_received": ("(self) -> 'None'", "5652627579a02369"),
    "on_response_complete": ("(self) -> 'None'", "64e254f28e389e76"),
    "pause_writing": ("(self) -> 'None'", "17a8fd215d96a13c"),
    "resume_writing": ("(self) -> 'None'", "7844bbaa8cceb1ef"),
    "shutdown": ("(self) -> 'None'", "d7351fa33f00d430"),
}

# Sources that ours runs beside or calls without overriding them.
RUN_BESIDE: dict[Callable[..., Any], str] = {
    HttpToolsProtocol.on_url: "37be44e962b04ca8",
    HttpToolsProtocol.on_body: "dba9c32aeba35b6a",
    HttpToolsProtocol.on_header: "65d62c044f61fdbd",
    HttpToolsProtocol.on_headers_complete: "1ea8589acfad92d8",
    HttpToolsProtocol.on_message_begin: "96d377fdc7c2baef",
    HttpToolsProtocol.on_message_complete: "1fbad42dc31fc01f",
    HttpToolsProtocol._unset_keepalive_if_required: "00a6a4e47214e68e",
    HttpToolsProtocol._should_upgrade: "8fcad1ab8e096739",
    RequestResponseCycle.__init__: "4d2f220910c33c12",
    RequestResponseCycle.run_asgi: "0f33f2449a444bc2",
    RequestResponseCycle.send: "abdd8601b326a8da",
    RequestResponseCycle.receive: "8124ae006be71184",
    FlowControl: "126debcdaa894c83",
    Server.serve: "112ef41af52167e3",
    Server._serve: "4575b7a50adfede8",
    Server.startup: "2aa1d70a244bfcf2",
    Server.main_loop: "afccb353a119333f",
    Server.on_tick: "60ea49b06ccf68c1",
    Server.shutdown: "9b33c50562992b1e",
    Server._wait_tasks_to_complete: "17209be1e991445d",
    Server.capture_signals: "e1bbcd4770d1c887",
    ServerState: "f2260fbf10154746",
}

# What uvicorn touches on the cycle in the sources where that cycle may be one of ours.
CYCLE_ATTRIBUTES = {"disconnected", "message_event", "response_complete"}
MAY_MEET_OURS = ("connection_lost", "on_headers_complete")

# What ours touches on uvicorn's own cycles.
TOUCHED_ON_UVICORNS = CYCLE_ATTRIBUTES | {"keep_alive", "more_body", "response_started"}

FLOW = {"pause_reading", "read_paused", "resume_reading", "write_paused"}
SERVER_STATE = {"default_headers", "total_requests"}
CALLBACKS = {
    "on_body", "on_header", "on_headers_complete", "on_message_begin", "on_message_complete", "on_url",
}  # fmt: skip
PARSER = {"feed_data", "get_http_version", "get_method", "should_keep_alive", "should_upgrade"}
SERVER = {"config", "force_exit", "lifespan", "serve", "server_state", "should_exit"}
OURS = [kind for kind in GatewayProtocol.__mro__ if kind.__module__.startswith("app.")]


def tree_of(thing: object) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(thing)))  # type: ignore[arg-type]


def attributes(tree: ast.AST, owner: str) -> set[str]:
    """The attributes that a source takes of `owner`, which is the last name before the dot."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).rpartition(".")[2] == owner
    }


def set_in(kind: type) -> set[str]:
    return attributes(tree_of(kind.__init__), "self")  # type: ignore[misc]


def defined_on(kind: type) -> set[str]:
    return {*vars(kind), *attributes(tree_of(kind), "self")}


def digest(thing: object) -> str:
    return sha256(inspect.getsource(thing).encode()).hexdigest()[:16]  # type: ignore[arg-type]


def proxy_sources() -> Iterator[ast.AST]:
    for path in (APP / "proxy").rglob("*.py"):
        yield ast.parse(path.read_text(encoding="utf-8"))


def used_of(owner: str) -> set[str]:
    return set[str]().union(*(attributes(tree, owner) for tree in proxy_sources()))


def test_uvicorn_is_the_minor_version_that_was_read() -> None:
    assert uvicorn.__version__.startswith(VERSION)
    assert f"uvicorn>={VERSION[:-1]},<0.{int(VERSION.split('.')[1]) + 1}" in (
        APP.parent / "pyproject.toml"
    ).read_text(encoding="utf-8")


def test_the_lanes_use_just_these_attributes_of_uvicorns_protocol() -> None:
    used = set[str]().union(*(attributes(tree_of(kind), "self") for kind in OURS))
    used |= used_of("client") | used_of("_client") | used_of("connection") | used_of("_connection")
    assert used & defined_on(HttpToolsProtocol) - set(OVERRIDDEN) == PROTOCOL_ATTRIBUTES | CALLED
    assert PROTOCOL_ATTRIBUTES - {"url"} <= set_in(HttpToolsProtocol)


def test_the_lanes_override_just_these_methods() -> None:
    ours = set[str]().union(*(vars(kind) for kind in OURS))
    inherited = {name for name, value in vars(HttpToolsProtocol).items() if inspect.isfunction(value)}
    assert ours & inherited == set(OVERRIDDEN)


@pytest.mark.parametrize(("name", "signature"), [(name, entry[0]) for name, entry in OVERRIDDEN.items()])
def test_an_overridden_method_has_the_signature_that_was_read(name: str, signature: str) -> None:
    assert str(inspect.signature(vars(HttpToolsProtocol)[name])) == signature


@pytest.mark.parametrize(("name", "read"), [(name, entry[1]) for name, entry in OVERRIDDEN.items()])
def test_an_overridden_method_has_the_source_that_was_read(name: str, read: str) -> None:
    assert digest(vars(HttpToolsProtocol)[name]) == read


@pytest.mark.parametrize(
    ("beside", "read"), RUN_BESIDE.items(), ids=lambda value: getattr(value, "__qualname__", "")
)
def test_what_ours_runs_beside_has_the_source_that_was_read(beside: object, read: str) -> None:
    assert digest(beside) == read


def test_a_cycle_of_ours_has_what_uvicorn_touches_on_it() -> None:
    touched: set[str] = set()
    for name in MAY_MEET_OURS:
        source = tree_of(vars(HttpToolsProtocol)[name])
        touched |= attributes(source, "cycle") | attributes(source, "existing_cycle")
    assert touched == CYCLE_ATTRIBUTES
    assert touched <= set(dir(Cycle))


def test_uvicorns_cycle_has_what_ours_touches_on_it() -> None:
    touched: set[str] = set()
    for kind in OURS:
        source = tree_of(kind)
        for owner in ("cycle", "existing", "current"):
            touched |= attributes(source, owner)
    assert touched - (set(dir(Cycle)) - set_in(RequestResponseCycle)) == TOUCHED_ON_UVICORNS
    assert set_in(RequestResponseCycle) >= TOUCHED_ON_UVICORNS


def test_the_lanes_use_just_this_of_its_flow_control_and_state() -> None:
    assert used_of("flow") == FLOW
    assert set(dir(FlowControl)) | set_in(FlowControl) >= FLOW
    assert used_of("server_state") == SERVER_STATE
    assert set_in(ServerState) >= SERVER_STATE


def test_the_lanes_use_just_this_of_the_parser() -> None:
    used = set[str]().union(*(attributes(tree_of(kind), "parser") for kind in (*OURS, RequestReader)))
    assert used == PARSER
    assert set(dir(httptools.HttpRequestParser)) >= PARSER


def test_the_reader_takes_every_callback_that_uvicorns_protocol_has() -> None:
    inherited = {name for name, value in vars(HttpToolsProtocol).items() if inspect.isfunction(value)}
    is_callback = {name for name in inherited if name.startswith("on_")} - {"on_response_complete"}
    assert is_callback == CALLBACKS
    assert set(vars(RequestReader)) >= CALLBACKS


def test_the_server_uses_just_this_of_uvicorns() -> None:
    source = tree_of(worker)
    used = set[str]().union(*(attributes(source, name) for name in ("server", "_public", "_admin")))
    assert used == SERVER
    assert set(dir(Server)) | set_in(Server) | attributes(tree_of(Server), "self") >= SERVER
    overridden = {name for name in vars(worker._Server) if not name.startswith("__")}
    assert overridden == {"capture_signals", "startup"}
