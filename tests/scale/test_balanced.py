"""Two gateways behind a balancer share nothing but the database: one may die, and sessions go on."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import pytest
from harness.relay.deadlines import wait_until
from harness.site.curl import Curl
from harness.site.gateways import NewGateway
from harness.site.process import GatewayProcess
from harness.site.site import Site

from scale.conftest import StartBalancer

CLIENTS = 8
LOAD_SECONDS = 1.5
LOGIN = ("-H", "Content-Type: application/json", "-d", '{"user_":"demo","pass":"demo"}')


@pytest.fixture
def gateways(site: Site, new_gateway: NewGateway) -> Iterator[list[GatewayProcess]]:
    pair = [new_gateway(site.environ, trusted_proxies="127.0.0.1") for _ in range(2)]
    for gateway in pair:
        gateway.start()
    yield pair
    for gateway in pair:
        gateway.kill()


class Load:
    """Clients that ask without a pause, each over a connection that it keeps."""

    def __init__(self, url: str, cookies: dict[str, str]) -> None:
        self.outcomes: Counter[int | str] = Counter()
        self._stop = threading.Event()
        self._clients = [
            threading.Thread(target=self._ask, args=(url, cookies), daemon=True) for _ in range(CLIENTS)
        ]

    def __enter__(self) -> Self:
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for client in self._clients:
            client.join(30)

    def _ask(self, url: str, cookies: dict[str, str]) -> None:
        with httpx.Client(cookies=cookies, trust_env=False, timeout=10) as client:
            while not self._stop.is_set():
                try:
                    self.outcomes[client.get(url).status_code] += 1
                except httpx.TransportError:
                    self.outcomes["cut"] += 1


def test_one_that_is_killed_costs_at_most_what_was_under_way_on_it(
    gateways: list[GatewayProcess], start_balancer: StartBalancer, tmp_path: Path
) -> None:
    with start_balancer([port for gateway in gateways for port in (gateway.port, gateway.admin_port)]) as url:
        curl = Curl(url, tmp_path)
        wait_until(lambda: curl("/rest/notice").status in {200, 401}, "the balancer to find the gateways")
        assert curl("/rpc/login", *LOGIN).status == 204
        with Load(f"{url}/rest/task", curl.jar) as load:
            wait_until(lambda: load.outcomes[200] > 50, "the load to be on")
            gateways[0].kill()
            until, before = time.monotonic() + LOAD_SECONDS, load.outcomes[200]
            wait_until(lambda: time.monotonic() > until, "the load to go on", seconds=30)
        failed = {kind: count for kind, count in load.outcomes.items() if kind != 200}
        assert set(failed) <= {502, 503, "cut"}
        # Each client once with a request under way, and once over a connection that HAProxy had kept
        assert sum(failed.values()) <= 2 * CLIENTS
        assert load.outcomes[200] > before + 50
        assert curl("/rest/task").status == 200
        gateways[0].start()


def test_a_session_made_at_one_is_renewed_at_another_and_ended_at_both(
    gateways: list[GatewayProcess], tmp_path: Path
) -> None:
    first, second = (Curl(gateway.url, tmp_path / str(gateway.port)) for gateway in gateways)
    assert first("/rpc/login", *LOGIN).status == 204
    second.keep(f"refresh_token={first.jar['refresh_token']}; Path=/")
    assert second("/rest/task").status == 200
    spy = Curl(gateways[0].url, tmp_path / "spy")
    header = ("-H", f"Cookie: access_token={second.jar['access_token']}")
    assert spy("/rest/task", *header).status == 200
    assert second("/rpc/logout", "-X", "POST").status == 204
    wait_until(lambda: spy("/rest/task", *header).status == 401, "the other one to hear of it")
