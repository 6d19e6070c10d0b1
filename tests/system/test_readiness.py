"""A gateway is ready when PostgREST takes what it signs: else people would sign in and be refused."""

import json
import os
import signal
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.relay.deadlines import wait_until
from harness.relay.tokens import OTHER_KEY
from harness.site.client import ask
from harness.site.gateways import NewGateway
from harness.site.process import GatewayProcess

from app.devstack import Database, DevStack, Postgrest

OTHER_SECRET = b64encode(OTHER_KEY).decode()
READY = {"serving": True, "postgres": True, "postgrest": True}


@pytest.fixture
def postgrest(stack: DevStack, database: Database) -> Iterator[Postgrest]:
    server = stack.start_postgrest(database=database)
    yield server
    server.stop()


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    return tmp_path / "jwt_secret"


@pytest.fixture
def gateway(
    stack: DevStack, database: Database, postgrest: Postgrest, new_gateway: NewGateway, secret_file: Path
) -> GatewayProcess:
    """Not started: its secret is in the file."""
    behind = {**stack.gateway_environ()}
    del behind["POSTGATE_JWT_SECRET"]
    return new_gateway(
        behind,
        database_url=database.gateway_dsn,
        postgrest_url=postgrest.url,
        jwt_secret_file=str(secret_file),
        log_format="json",
    )


def key_set(*keys: bytes) -> str:
    encoded = (urlsafe_b64encode(key).rstrip(b"=").decode() for key in keys)
    return json.dumps({"keys": [{"kty": "oct", "k": key} for key in encoded]})


def ready(gateway: GatewayProcess) -> tuple[int, Any]:
    answer = ask(gateway.admin_url, "GET", "/ready")
    return answer.status, json.loads(answer.body)


def told(gateway: GatewayProcess, event: str) -> dict[str, Any]:
    """The only line of this event, once it is written."""
    wait_until(lambda: event in gateway.output, event)
    [line] = [text for text in gateway.output.splitlines() if event in text]
    read: dict[str, Any] = json.loads(line)
    return read


def test_a_secret_that_postgrest_does_not_share_keeps_clients_away_until_it_does(
    stack: DevStack, gateway: GatewayProcess, secret_file: Path
) -> None:
    secret_file.write_text(OTHER_SECRET)
    gateway.start(ready=False)
    wait_until(lambda: ready(gateway) == (503, {**READY, "postgrest": False}), "a gateway that serves")
    assert (
        told(gateway, "not_ready")["postgrest"]
        == "It rejects the gateway's tokens: `postgate check` says why."
    )
    secret_file.write_text(stack.jwt_secret)
    os.kill(gateway.pid, signal.SIGHUP)
    assert told(gateway, "settings_reloaded")["changed"] == ["POSTGATE_JWT_SECRET"]
    assert ready(gateway) == (200, READY)
    assert told(gateway, "became_ready")
    gateway.stop()


def test_one_key_of_a_set_that_postgrest_knows_is_enough(
    stack: DevStack, gateway: GatewayProcess, secret_file: Path
) -> None:
    """While a secret is rotated, sessions go on: their clients must not be sent away."""
    secret_file.write_text(key_set(OTHER_KEY, b64decode(stack.jwt_secret)))
    gateway.start()
    assert ready(gateway) == (200, READY)
    gateway.stop()
