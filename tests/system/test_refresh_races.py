"""Fifty at once with one refresh token, over two workers: one successor, nobody signed out."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from system.harness.curl import Curl
from system.harness.gateways import StartGateway
from system.harness.site import Site

AT_ONCE = 50
JSON = ("-H", "Content-Type: application/json")
FAMILY = """
select count(*) filter (where replaced_at is not null), count(*) filter (where replaced_at is null)
  from auth.refresh_token where family =
       (select family from auth.refresh_token where digest = auth_private.token_digest($1))
"""


@pytest.fixture(scope="module")
def two_workers(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    with start_gateway(site.environ, workers="2") as gateway:
        yield replace(site, gateway=gateway)


@pytest.fixture
def token(two_workers: Site, tmp_path: Path) -> str:
    """The refresh token of somebody who has just signed in."""
    curl = Curl(two_workers.url, tmp_path)
    assert curl("/rpc/login", *JSON, "-d", '{"user_":"demo","pass":"demo"}').status == 204
    return curl.jar["refresh_token"]


def ask_at_once(method: str, url: str, token: str) -> list[httpx.Response]:
    together = Barrier(AT_ONCE)

    def ask(_: int) -> httpx.Response:
        with httpx.Client(trust_env=False, cookies={"refresh_token": token}, timeout=30) as client:
            together.wait()
            return client.request(method, url)

    with ThreadPoolExecutor(AT_ONCE) as clients:
        return list(clients.map(ask, range(AT_ONCE)))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/rpc/refresh_token", 204), ("GET", "/rest/task", 200)],
    ids=["asked for", "inside a request"],
)
def test_all_are_signed_in_with_the_same_successor(
    two_workers: Site, token: str, method: str, path: str, status: int
) -> None:
    answers = ask_at_once(method, two_workers.url + path, token)
    assert {answer.status_code for answer in answers} == {status}
    (successor,) = {answer.cookies["refresh_token"] for answer in answers}
    assert [tuple(row) for row in two_workers.database.fetch(FAMILY, token)] == [(1, 1)]
    for access in {answer.cookies["access_token"] for answer in answers}:
        seen = httpx.get(f"{two_workers.url}/rpc/whoami", cookies={"access_token": access}, trust_env=False)
        assert json.loads(seen.content)["username"] == "demo"
    after = ask_at_once(method, two_workers.url + path, successor)
    assert {answer.status_code for answer in after} == {status}
