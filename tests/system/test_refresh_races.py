"""Fifty at once with one refresh token, over two workers: one successor, nobody signed out."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from harness.relay.answers import Answer, AnswerReader
from harness.site.client import ask, connect, request_bytes
from harness.site.curl import Curl
from harness.site.gateways import StartGateway
from harness.site.roads import cookie
from harness.site.site import Site

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


def kept(answer: Answer) -> dict[str, str]:
    """The cookies that a browser has then; those of other paths are deleted."""
    pairs = (value.decode().partition(";")[0].partition("=") for value in answer.head.values(b"set-cookie"))
    return {name: value for name, _, value in pairs if value}


def ask_at_once(method: str, url: str, path: str, token: str) -> list[Answer]:
    together = Barrier(AT_ONCE)

    def ask_one(_: int) -> Answer:
        with connect(url) as wire:
            together.wait()
            wire.send(request_bytes(method, path, [cookie(refresh_token=token)]))
            return AnswerReader(wire, method).whole()

    with ThreadPoolExecutor(AT_ONCE) as clients:
        return list(clients.map(ask_one, range(AT_ONCE)))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/rpc/refresh_token", 204), ("GET", "/rest/task", 200)],
    ids=["asked for", "inside a request"],
)
def test_all_are_signed_in_with_the_same_successor(
    two_workers: Site, token: str, method: str, path: str, status: int
) -> None:
    answers = ask_at_once(method, two_workers.url, path, token)
    assert {answer.status for answer in answers} == {status}
    (successor,) = {kept(answer)["refresh_token"] for answer in answers}
    assert [tuple(row) for row in two_workers.database.fetch(FAMILY, token)] == [(1, 1)]
    for access in {kept(answer)["access_token"] for answer in answers}:
        seen = ask(two_workers.url, "GET", "/rpc/whoami", [cookie(access_token=access)])
        assert json.loads(seen.body)["username"] == "demo"
    after = ask_at_once(method, two_workers.url, path, successor)
    assert {answer.status for answer in after} == {status}
