"""PostgREST or Postgres away, killed, late: the gateway says so, goes on, and is well again by itself."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness.relay.answers import Answer
from harness.relay.deadlines import wait_until
from harness.site.client import Field, ask
from harness.site.gateways import NewGateway, StartGateway
from harness.site.rows import row
from harness.site.site import Site

from app.devstack import DevStack, Prepare, Programs

pytestmark = pytest.mark.xdist_group("faults")  # one worker makes the stack

JSON: Field = ("Content-Type", "application/json")
DEMO = b'{"user_":"demo","pass":"demo"}'
FOUR_KEYS = {"code", "message", "details", "hint"}


@pytest.fixture(scope="module")
def fragile(
    tmp_path_factory: pytest.TempPathFactory,
    programs: Programs,
    environ: Mapping[str, str],
    cluster_template: Path,
    prepare: Prepare,
) -> Iterator[DevStack]:
    """A stack that these tests alone may break."""
    with DevStack(
        tmp_path_factory.mktemp("fragile"),
        programs,
        environ=environ,
        prepare=prepare,
        template=cluster_template,
        durable=False,
        keep=False,
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def broken(fragile: DevStack, start_gateway: StartGateway) -> Iterator[Site]:
    """A gateway before it."""
    environ = fragile.gateway_environ()
    with start_gateway(environ) as gateway:
        yield Site(gateway, fragile.postgrest, fragile.database, fragile.jwt_secret, environ)


@contextmanager
def postgres_away(stack: DevStack) -> Iterator[None]:
    stack.postgres.stop()
    try:
        yield
    finally:
        stack.postgres.start()
        stack.postgrest.wait_ready()


def login(url: str) -> Answer:
    return ask(url, "POST", "/rpc/login", [JSON], DEMO)


def read(site: Site) -> Answer:
    return ask(site.url, "GET", "/rest/task", [("Cookie", f"access_token={site.token()}")])


def refusal(answer: Answer) -> dict[str, object]:
    body: dict[str, object] = json.loads(answer.body)
    assert set(body) == FOUR_KEYS
    return body


@row("upstream-down")
def test_without_postgrest_the_answer_is_502_and_within_a_second_of_its_return_all_is_well(
    fragile: DevStack, broken: Site
) -> None:
    assert read(broken).status == 200
    fragile.postgrest.crash()
    try:
        answer = read(broken)
        assert (answer.status, refusal(answer)["code"]) == (502, "GW300")
        assert answer.head.value(b"retry-after") == b"1"
        assert login(broken.url).status == 204  # it needs no PostgREST
        wait_until(lambda: not broken.gateway.is_ready, "not ready")
        assert broken.gateway.is_live
    finally:
        fragile.postgrest.start()
    began = time.monotonic()
    wait_until(lambda: read(broken).status == 200, "recovery", seconds=1)
    assert time.monotonic() - began < 1
    wait_until(lambda: broken.gateway.is_ready, "ready")


@row("database-down")
def test_without_postgres_nobody_signs_in_and_the_rest_is_as_postgrest_answers(
    fragile: DevStack, broken: Site
) -> None:
    assert login(broken.url).status == 204
    with postgres_away(fragile):
        answer = login(broken.url)
        assert (answer.status, refusal(answer)["code"]) == (503, "GW400")
        assert answer.head.value(b"retry-after") == b"1"
        assert not answer.head.values(b"set-cookie")
        for hidden in (str(fragile.run_folder), "5432", "socket", "gateway@"):
            assert hidden not in answer.body.decode()
        relayed = read(broken)
        assert relayed.status == 503
        assert str(refusal(relayed)["code"])[:7] in {
            "PGRST00",
            "57P01",
        }  # its connection was just ended
        assert ask(broken.url, "GET", "/rest/task").status == 401
        wait_until(lambda: not broken.gateway.is_ready, "not ready")
        assert broken.gateway.is_live
    wait_until(lambda: login(broken.url).status == 204, "the next login", seconds=1)
    assert read(broken).status == 200


def test_a_postgres_that_was_killed_and_came_back_is_not_noticed_by_the_next_login(
    fragile: DevStack, broken: Site
) -> None:
    assert login(broken.url).status == 204
    fragile.postgres.crash()
    fragile.postgres.start()  # the connections of the pool are dead, and nobody has told it
    assert login(broken.url).status == 204
    fragile.postgrest.wait_ready()


def test_a_gateway_may_start_before_its_database(
    fragile: DevStack, broken: Site, new_gateway: NewGateway
) -> None:
    gateway = new_gateway(broken.environ)
    with postgres_away(fragile):
        gateway.launch()
        wait_until(lambda: gateway.is_live, "live")
        assert not gateway.is_ready
        assert login(gateway.url).status == 503
    wait_until(lambda: gateway.is_ready, "ready")
    assert login(gateway.url).status == 204
    gateway.stop()
