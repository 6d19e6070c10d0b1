"""Two gateways that count in one Valkey or Redis: one budget together, and what holds while it is away."""

from collections.abc import Iterator

import pytest
from auth.store import StoreServer, store_server
from harness.relay.deadlines import wait_until
from harness.site.abuse import limited, login, retry_after
from harness.site.gateways import StartGateway
from harness.site.process import GatewayProcess
from harness.site.site import Site

pytestmark = pytest.mark.xdist_group("abuse")

PASSWORD = "hunter2"
Gateways = tuple[GatewayProcess, GatewayProcess]


@pytest.fixture
def server() -> Iterator[StoreServer]:
    with store_server() as server:
        server.ask("CONFIG", "SET", "requirepass", PASSWORD)
        yield server


@pytest.fixture
def gateways(site: Site, server: StoreServer, start_gateway: StartGateway) -> Iterator[Gateways]:
    storage = f"{server.url}?password={PASSWORD}"
    settings = limited(site, rate_limit_storage=storage, login_limit_address="off")
    with start_gateway(settings) as one, start_gateway(settings, workers="2") as other:
        yield one, other


def tries(gateways: Gateways, count: int, name: str) -> list[int]:
    """The statuses of wrong passwords, at the one gateway and the other in turn."""
    return [login(gateways[number % 2].url, name, "wrong").status for number in range(count)]


def test_two_gateways_have_one_budget_together(gateways: Gateways, server: StoreServer) -> None:
    assert tries(gateways, 8, "nobody") == [401] * 5 + [429] * 3
    assert 1 <= retry_after(login(gateways[0].url, "NOBODY", "wrong")) <= 61
    keys = server.ask("AUTH", f"{PASSWORD}\r\nKEYS", "*").decode()
    assert "postgate:" in keys
    assert "nobody" not in keys.lower()
    assert "127.0.0.1" not in keys
    for gateway in gateways:
        assert "limit_store" not in gateway.output


def test_while_the_store_is_away_nobody_is_locked_out_and_nobody_is_unlimited(
    gateways: Gateways, server: StoreServer
) -> None:
    one = (gateways[0], gateways[0])
    assert tries(one, 6, "nobody") == [401] * 5 + [429]
    server.stop()
    assert login(one[0].url, "demo", "demo").status == 204
    assert tries(one, 8, "somebody") == [401] * 5 + [429] * 3
    wait_until(lambda: "limit_store_lost" in one[0].output, "the outage in the log")
    server.start()
    server.ask("CONFIG", "SET", "requirepass", PASSWORD)

    def is_found() -> bool:
        assert login(one[0].url, "demo", "demo").status == 204
        return "limit_store_restored" in one[0].output

    wait_until(is_found, "the store to be found again")
    assert one[0].output.count("limit_store_lost") == 1
    assert tries(one, 6, "else") == [401] * 5 + [429], "counted in the store again"
    assert tries(one, 1, "somebody") == [429], "what was counted meanwhile still counts"
    assert PASSWORD not in one[0].output


def test_a_gateway_starts_without_its_store(
    site: Site, server: StoreServer, start_gateway: StartGateway
) -> None:
    server.stop()
    with start_gateway(limited(site, rate_limit_storage=server.url)) as gateway:
        assert tries((gateway, gateway), 6, "nobody") == [401] * 5 + [429]
