"""Real gateways, each a process of its own, in front of the real stack."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness.site.clients import js_clients, python_client
from harness.site.curl import Curl
from harness.site.gateways import StartGateway, new_gateway, start_gateway
from harness.site.site import TRUSTED_ORIGIN, Site, running_site

from app.devstack import DevStack

__all__ = ["js_clients", "new_gateway", "python_client", "start_gateway"]

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def site(stack: DevStack, start_gateway: StartGateway) -> Iterator[Site]:
    """The whole of it, once for each worker: a database of its own, PostgREST over TCP, a gateway."""
    with running_site(stack, start_gateway, trusted_origins=TRUSTED_ORIGIN) as site:
        yield site


@pytest.fixture(scope="session")
def recipe(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    """The same with somebody's own auth functions in another schema, by other names, behind a proxy."""
    site.database.execute((FOLDER / "recipe.sql").read_text())
    with start_gateway(
        site.environ,
        auth_schema="accounts",
        auth_functions="sign_in,sign_out,enter_pin",
        trusted_proxies="127.0.0.1",
    ) as gateway:
        yield replace(site, gateway=gateway)


@pytest.fixture
def curl(site: Site, tmp_path: Path) -> Curl:
    """A visitor who is not signed in."""
    return Curl(site.url, tmp_path)


@pytest.fixture
def other(site: Site, tmp_path: Path) -> Curl:
    """Another visitor, with cookies of their own."""
    return Curl(site.url, tmp_path / "other")


@pytest.fixture
def signed_in(curl: Curl) -> Curl:
    """A visitor who has signed in as demo."""
    credentials = '{"user_":"demo","pass":"demo"}'
    assert curl("/rpc/login", "-H", "Content-Type: application/json", "-d", credentials).status == 204
    return curl
