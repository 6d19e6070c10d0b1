"""Stops and kills under load: nothing is lost or answered wrongly, and the containers heal by themselves."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from compose.containers import CommandFailed, Site, wait_until
from compose.load import CLIENTS, Load

pytestmark = [pytest.mark.compose, pytest.mark.xdist_group("compose")]

NAPPING = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and usename = 'authenticator'"
WARM = 20 * CLIENTS


@pytest.fixture
def load(site: Site) -> Iterator[Load]:
    """Past the engine's proxy for published ports, which takes connections that nobody will answer."""
    address = site.containers.inspect()["gateway"]["NetworkSettings"]["Networks"]
    host = address[f"{site.containers.project}_front"]["IPAddress"]
    if os.uname().sysname != "Linux":
        pytest.skip("the addresses of containers can be reached on Linux alone")
    with Load(host, 8000, site.cookies(ended=False), site.cookies(ended=True)) as load:
        wait_until(lambda: load.good > WARM, "the load")
        yield load
    site.containers.compose("up", "--wait")


def kept(site: Site) -> set[str]:
    return set(site.containers.psql("select nonce from api.asked").split())


def test_a_stop_answers_what_is_under_way(site: Site) -> None:
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(
            httpx.post, f"{site.url}/rpc/nap", json={"seconds": 4}, headers=site.bearer(), timeout=30
        )
        try:
            wait_until(lambda: site.containers.psql(NAPPING) != "0", "the request to reach the database")
            site.containers.compose("stop", "gateway")
            state = site.containers.inspect()["gateway"]["State"]
            assert under_way.result().status_code == 204
            assert (state["Status"], state["ExitCode"]) == ("exited", 0)
        finally:
            site.containers.compose("up", "--wait", "gateway")


def test_a_stop_under_load_loses_no_request(site: Site, load: Load) -> None:
    identifier = site.containers.inspect()["gateway"]["Id"]
    site.containers.docker("stop", "--time", "40", identifier)
    wait_until(lambda: load.refused > CLIENTS, "new connections to be refused")
    state = site.containers.inspect()["gateway"]["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)
    assert not load.wrong
    assert load.statuses == {200, 401}
    # Nothing was begun for them, so their clients may ask again (RFC 9110 section 9.2.2)
    assert not load.unanswered & kept(site)
    assert len(load.unanswered) <= CLIENTS


@pytest.mark.parametrize("service", ["postgrest", "postgres", "gateway"])
def test_what_is_killed_comes_back_and_nobody_gets_a_wrong_answer(
    site: Site, load: Load, service: str
) -> None:
    site.containers.kill(service)
    before = load.good
    wait_until(lambda: load.good > before + WARM, "the load to go on")
    assert not load.wrong
    assert load.failed or load.refused
    wait_until(lambda: is_healthy(site), "the gateway to be healthy")
    # The session of before goes on, and is renewed; the one that ended stays so; new ones are made
    with httpx.Client(base_url=site.url, timeout=30) as browser:
        tasks = browser.get("/rest/task", headers={"Cookie": load.live})
        assert {row["owner"] for row in tasks.json()} == {"demo"}
        renewed = browser.post("/rpc/refresh_token", headers={"Cookie": load.live})
        assert renewed.status_code == 204
        assert browser.get("/rest/task", headers={"Cookie": load.ended}).status_code == 401
    site.cookies(ended=True)
    # What was said to be done is in the database, after its crash as well
    assert {nonce for nonce, status in list(load.answered.items()) if status == 200} <= kept(site)


def is_healthy(site: Site) -> bool:
    try:
        return bool(site.containers.inspect()["gateway"]["State"]["Health"]["Status"] == "healthy")
    except CommandFailed:
        return False
