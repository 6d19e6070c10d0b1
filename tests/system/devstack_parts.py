"""What the tests of the embedded stack share: a small database and questions to PostgREST."""

import time
from collections.abc import Callable

import httpx

from app.devstack import execute

WAIT_SECONDS = 20.0

SMALL = """
do $$ begin
  create role anon nologin;
  create role authenticator login noinherit;
exception when duplicate_object then null; end $$;
grant anon to authenticator;
create schema if not exists api;
create table if not exists api.word (word text);
grant usage on schema api to anon;
grant select, insert on api.word to anon;
"""


async def small(dsn: str) -> None:
    await execute(dsn, SMALL)


def client(url: str) -> httpx.Client:
    if url.startswith("unix:"):
        transport = httpx.HTTPTransport(uds=url.removeprefix("unix:"))
        return httpx.Client(transport=transport, base_url="http://postgrest")
    return httpx.Client(base_url=url)


def answers(url: str, path: str = "/word") -> int:
    with client(url) as http:
        return http.get(path, timeout=WAIT_SECONDS).status_code


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
