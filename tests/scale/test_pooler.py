"""Postgres behind PgBouncer in transaction mode: no statement, no setting outlives its transaction there."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from harness.relay.deadlines import wait_until
from harness.sessions import BEGIN_SESSION
from harness.site.curl import Curl
from harness.site.gateways import StartGateway
from harness.site.site import Site

from scale.conftest import StartPooler

JSON = ("-H", "Content-Type: application/json")
LOGIN = (*JSON, "-d", '{"user_":"demo","pass":"demo"}')


@pytest.fixture
def pooled(site: Site, start_pooler: StartPooler, start_gateway: StartGateway) -> Iterator[Site]:
    with (
        start_pooler(site.database) as url,
        start_gateway(
            {**site.environ, "POSTGATE_DATABASE_URL": url},
            listen_database_url=site.database.gateway_dsn,
            call_limit_address="off",
        ) as gateway,
    ):
        yield replace(site, gateway=gateway)


def test_the_whole_story_goes_through_it(pooled: Site, tmp_path: Path) -> None:
    curl = Curl(pooled.url, tmp_path)
    assert curl("/rpc/login", *LOGIN).status == 204
    assert curl("/rest/task").status == 200
    assert curl("/rpc/refresh_token", "-X", "POST").status == 204
    curl.keep("access_token=; Path=/; Max-Age=0")
    renewed = curl("/rest/task")
    assert (renewed.status, len(renewed.set_cookies)) == (200, 2)
    token = curl.jar["access_token"]
    assert curl("/rpc/logout", "-X", "POST").status == 204
    spy = Curl(pooled.url, tmp_path / "spy")
    wait_until(
        lambda: spy("/rest/task", "-H", f"Cookie: access_token={token}").status == 401,
        "the end of the session to be heard past the pooler",
    )


def test_many_calls_at_once_over_few_connections_are_each_their_own(pooled: Site) -> None:
    """Each refresh runs on whichever connection the pooler has: nothing of another call may stand in it."""
    tokens = [str(row[0]) for _ in range(20) for row in pooled.database.fetch(BEGIN_SESSION, "demo")]

    def refresh(token: str) -> str:
        answer = httpx.post(
            f"{pooled.url}/rpc/refresh_token", cookies={"refresh_token": token}, trust_env=False, timeout=30
        )
        assert answer.status_code == 204
        return answer.cookies["refresh_token"]

    with ThreadPoolExecutor(20) as clients:
        for _ in range(3):
            tokens = list(clients.map(refresh, tokens))
    assert len(set(tokens)) == 20
