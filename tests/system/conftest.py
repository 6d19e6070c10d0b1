"""Real gateways, each a process of its own, in front of the real stack."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from proxy.harness.gateway import UNLIMITED

from app.devstack import DevStack
from system.harness.curl import Curl
from system.harness.process import GatewayProcess
from system.harness.site import Site

FOLDER = Path(__file__).parent
TRUSTED_ORIGIN = "https://app.example"


class NewGateway(Protocol):
    """Makes a gateway that is not started; `settings` are POSTGATE_* variables by their short names."""

    def __call__(self, behind: Mapping[str, str], /, **settings: str) -> GatewayProcess: ...


class StartGateway(Protocol):
    """Starts a gateway: ready (or live, if it cannot be) when the block begins, gone when it ends."""

    def __call__(
        self, behind: Mapping[str, str], /, *, ready: bool = True, **settings: str
    ) -> AbstractContextManager[GatewayProcess, bool | None]: ...


@pytest.fixture(scope="session")
def new_gateway(environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewGateway]:
    folder = tmp_path_factory.mktemp("gateways")
    made: list[GatewayProcess] = []

    def new(behind: Mapping[str, str], /, **settings: str) -> GatewayProcess:
        variables = {f"POSTGATE_{name.upper()}": value for name, value in settings.items()}
        log = folder / f"gateway{len(made)}.log"
        made.append(GatewayProcess({**behind, **variables}, environ=environ, log=log))
        return made[-1]

    yield new
    for gateway in made:
        gateway.kill()


@pytest.fixture(scope="session")
def start_gateway(new_gateway: NewGateway) -> StartGateway:
    @contextmanager
    def start(
        behind: Mapping[str, str], /, *, ready: bool = True, **settings: str
    ) -> Iterator[GatewayProcess]:
        gateway = new_gateway(behind, **settings)
        gateway.start(ready=ready)
        yield gateway
        gateway.stop()

    return start


@pytest.fixture(scope="session")
def site(stack: DevStack, start_gateway: StartGateway) -> Iterator[Site]:
    """The whole of it, once for each worker: a database of its own, PostgREST over TCP, a gateway."""
    with stack.fresh_database() as database:
        database.execute((FOLDER / "probe.sql").read_text())
        postgrest = stack.start_postgrest(database=database)
        behind = {
            **stack.gateway_environ(),
            "POSTGATE_DATABASE_URL": database.gateway_dsn,
            "POSTGATE_OWNER_DATABASE_URL": database.owner_dsn,
            "POSTGATE_POSTGREST_URL": postgrest.url,
            "POSTGATE_TRUSTED_ORIGINS": TRUSTED_ORIGIN,
            **{f"POSTGATE_{name.upper()}": value for name, value in UNLIMITED.items()},
        }
        with start_gateway(behind) as gateway:
            yield Site(gateway, postgrest, database, stack.jwt_secret, behind)
        postgrest.stop()


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
