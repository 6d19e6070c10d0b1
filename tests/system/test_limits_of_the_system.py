"""Limits of the system that are lower than the settings need: told at the start, and when they are met."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from harness.relay.client import request
from harness.relay.deadlines import wait_until
from harness.relay.process import GatewayProcess, gateway_process
from harness.relay.upstream import Upstream

from app.settings import Settings, load_settings
from app.system.limits import SystemLimits, client_connections, files_needed, look, shortfalls
from app.system.listeners import BACKLOG

REQUIRED = {
    "POSTGATE_DATABASE_URL": "postgresql://gateway@db/app",
    "POSTGATE_JWT_SECRET": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
}


def settings(**changes: object) -> Settings:
    return load_settings(
        {**REQUIRED, **{f"POSTGATE_{name.upper()}": str(value) for name, value in changes.items()}}
    )


SETTINGS = settings()
ROUTES = "/a/ http://a:1 none, /b/ http://b:1 none, /c/ http://a:1 none"


def test_limits_that_are_high_enough_or_unknown_are_no_shortfall() -> None:
    for limits in (
        SystemLimits(None),
        SystemLimits(files_needed(SETTINGS), BACKLOG, 16),
        SystemLimits(1_048_576, 65_535, 4_194_304),
    ):
        assert shortfalls(limits, SETTINGS) == []


@pytest.mark.parametrize(
    ("limits", "changes", "begins", "fix"),
    [
        (SystemLimits(1024), {}, "This process may have 1024 files open", "POSTGATE_CONNECTIONS"),
        (SystemLimits(None, 128), {}, "The system queues 128 new connections", "net.core.somaxconn"),
        (SystemLimits(None, None, 20), {"workers": 4}, "This container may have 20 processes", "pids_limit"),
    ],
)
def test_a_limit_that_is_too_low_is_told_with_what_to_do(
    limits: SystemLimits, changes: Mapping[str, object], begins: str, fix: str
) -> None:
    [found] = shortfalls(limits, settings(**changes))
    assert found.text.startswith(begins)
    assert fix in found.fix


def test_each_upstream_needs_files_and_so_does_the_shared_store() -> None:
    assert files_needed(settings(routes=ROUTES)) - files_needed(SETTINGS) == 2 * 256
    assert files_needed(settings(rate_limit_storage="redis://a")) > files_needed(SETTINGS)


@pytest.mark.parametrize("files", [1, 2, 16, 64, 256, 1024, 4096, 20_000, 20_325, 1_048_576])
def test_clients_leave_files_for_what_serves_them(files: int) -> None:
    clients = client_connections(files, SETTINGS)
    assert 1 <= clients <= SETTINGS.connections
    assert clients <= max(1, files - min(files // 2, 256))
    assert client_connections(None, SETTINGS) == SETTINGS.connections


def test_the_limits_of_this_process_can_be_read() -> None:
    files = look().files
    assert files is None or files >= 64


# --- a gateway


def lines(gateway: GatewayProcess, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in gateway.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def test_too_few_files_are_told_at_the_start_and_when_they_are_used_up() -> None:
    upstream = Upstream()
    with gateway_process(upstream.url, files=100) as gateway, upstream.serving():
        wait_until(lambda: lines(gateway, "limit_too_low"), "the line about files")
        [told] = [line for line in lines(gateway, "limit_too_low") if "files" in line["text"]]
        assert "it serves 50 clients at a time" in told["text"]
        clients = [gateway.client() for _ in range(60)]
        last = clients[-1].answer()
        assert (last.status, last.head.closes) == (503, True)
        wait_until(
            lambda: (
                "too many connections" in [line.get("reason") for line in lines(gateway, "request_rejected")]
            ),
            "the line about too many clients",
        )
        first = clients[0]
        first.send(request("GET", "/rest/items"))
        assert first.answer().status == 200  # a file was left for its upstream
    upstream.close()


def test_what_kubernetes_injects_is_told_once_and_keeps_no_port() -> None:
    upstream = Upstream()
    injected = {
        "POSTGATE_SERVICE_HOST": "10.96.0.12",
        "POSTGATE_SERVICE_PORT": "8000",
        "POSTGATE_PORT_8000_TCP": "tcp://10.96.0.12:8000",
    }
    with gateway_process(upstream.url, environment=injected) as gateway, upstream.serving():
        wait_until(lambda: lines(gateway, "listening"), "its start")
        [told] = lines(gateway, "variables_ignored")
    assert told["names"] == sorted(injected)
    assert "enableServiceLinks: false" in told["fix"]
    upstream.close()
