"""What the demo puts into a database: its accounts, its rows, and who may see them."""

import base64
import time
from collections.abc import Iterator

import httpx
import jwt
import pytest

from app.devstack import DevStack, load_demo
from app.devstack.database import run_now


@pytest.fixture(scope="module")
def http(stack: DevStack) -> Iterator[httpx.Client]:
    """A PostgREST on a database of its own: others add tasks to the shared one."""
    with stack.fresh_database() as database:
        postgrest = stack.start_postgrest(database=database)
        with httpx.Client(base_url=postgrest.url) as client:
            yield client
        postgrest.stop()


def signed_in(stack: DevStack, name: str) -> dict[str, str]:
    claims = {"role": "basic_subscriber", "username": name, "exp": int(time.time()) + 60}
    return {"Authorization": "Bearer " + jwt.encode(claims, base64.b64decode(stack.jwt_secret))}


@pytest.mark.parametrize("name", ["demo", "alice"])
def test_everyone_sees_their_own_tasks_only(stack: DevStack, http: httpx.Client, name: str) -> None:
    tasks = http.get("/task", headers=signed_in(stack, name)).json()

    assert {task["owner"] for task in tasks} == {name}


def test_a_task_belongs_to_whoever_adds_it(stack: DevStack, http: httpx.Client) -> None:
    headers = {**signed_in(stack, "bob"), "Prefer": "return=representation"}

    assert http.post("/task", json={"title": "Own"}, headers=headers).json()[0]["owner"] == "bob"
    assert http.post("/task", json={"title": "Not", "owner": "demo"}, headers=headers).status_code == 403


def test_notices_are_for_anybody_and_tasks_are_not(http: httpx.Client) -> None:
    assert http.get("/notice").status_code == 200
    assert http.get("/task").status_code == 401


def test_functions_can_be_called(stack: DevStack, http: httpx.Client) -> None:
    headers = signed_in(stack, "demo")

    assert http.get("/rpc/add", params={"a": 1, "b": 2}).json() == 3
    assert http.get("/rpc/countdown", params={"start": 2}).json() == [2, 1, 0]
    assert http.post("/rpc/whoami", headers=headers).json() == {
        "username": "demo",
        "role": "basic_subscriber",
    }
    assert [task["done"] for task in http.get("/rpc/open_tasks", headers=headers).json()] == [False, False]


def test_loading_the_demo_again_changes_nothing(stack: DevStack) -> None:
    with stack.fresh_database() as database:
        rows = "select 1, username, password from auth.user union all select 2, owner, title from api.task"
        before = database.fetch(rows + " order by 1, 2, 3")
        run_now(load_demo(database.owner_dsn))
        assert database.fetch(rows + " order by 1, 2, 3") == before


def test_no_migration_makes_an_account(stack: DevStack) -> None:
    from app.operator.migrations import migrate  # noqa: PLC0415 (as in conftest.py)

    with stack.fresh_database(prepared=False) as database:
        run_now(migrate(database.owner_dsn))
        assert database.fetch("select from auth.user") == []


def test_passwords_of_the_demo_are_stored_as_hashes(stack: DevStack) -> None:
    with stack.fresh_database() as database:
        stored = database.fetch("select password from auth.user")

    assert len(stored) == 2
    assert all(row["password"].startswith("$2a$") for row in stored)
