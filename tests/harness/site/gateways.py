"""Gateways as processes of their own: made, or started and stopped in order."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import pytest

from app.settings import variable
from harness.site.process import GatewayProcess


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
        variables = {variable(name): value for name, value in settings.items()}
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
