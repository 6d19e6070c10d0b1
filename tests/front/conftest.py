"""A gateway with everything behind it, a service beside it, and what stands in front of both."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.front.fronts import FILES, Front, Place, fronting
from harness.front.service import Service, serve
from harness.front.tls import Certificate, make_certificate
from harness.front.visitor import Visitor
from harness.site.gateways import StartGateway, new_gateway, start_gateway
from harness.site.site import Site, running_site

from app.devstack import DevStack

__all__ = ["new_gateway", "start_gateway"]

SIGN_IN = "/sign-in"
FRIEND = "https://friend.example"


@pytest.fixture(scope="session")
def shared_service() -> Iterator[Service]:
    with serve() as service:
        yield service


@pytest.fixture
def service(shared_service: Service) -> Service:
    shared_service.forget()
    return shared_service


@pytest.fixture(scope="session")
def site(stack: DevStack, start_gateway: StartGateway, shared_service: Service) -> Iterator[Site]:
    """A gateway that trusts who comes from 127.0.0.1, which is where everything in front of it does."""
    settings = {
        "routes": f"/files/ http://{shared_service.address} required websocket",
        "trusted_proxies": "127.0.0.1",
        "trusted_origins": FRIEND,
        "login_url": SIGN_IN,
    }
    with running_site(stack, start_gateway, **settings) as running:
        yield running


@pytest.fixture(scope="session")
def demo_id(site: Site) -> str:
    """The claim `sub` of the user demo."""
    [row] = site.database.fetch("select id::text from auth.user where username = 'demo'")
    return str(row["id"])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (Debian: apt-get install openssl)")
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def front(
    request: pytest.FixtureRequest,
    site: Site,
    shared_service: Service,
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Front]:
    """What a module's `FRONTS` names: a program, and its file in docs/front."""
    name, file = request.param
    behind = {
        "127.0.0.1:8000": f"127.0.0.1:{site.gateway.port}",
        "127.0.0.1:8001": f"127.0.0.1:{site.gateway.admin_port}",
        "127.0.0.1:9000": shared_service.address,
    }
    with fronting(
        name, (FILES / file).read_text(), behind, Place(tmp_path_factory.mktemp(name), certificate)
    ) as running:
        yield running


@pytest.fixture
def visitor(front: Front, tmp_path: Path) -> Visitor:
    """Somebody who is not signed in."""
    return Visitor(front, tmp_path / "visitor")


@pytest.fixture
def other(front: Front, tmp_path: Path) -> Visitor:
    return Visitor(front, tmp_path / "other")


@pytest.fixture
def signed_in(visitor: Visitor) -> Visitor:
    visitor.sign_in()
    return visitor
