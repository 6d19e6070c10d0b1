"""An auth function of Postgate is an entry in the catalogue and a definition in SQL, and nothing else.

Two are added to a copy of the catalogue here, and each is walked through the gateway.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from harness.relay.answers import Answer
from harness.relay.deadlines import wait_until
from harness.relay.gateway import RunningGateway, running_gateway, settings_for
from harness.relay.tokens import mint
from harness.site.client import Field, ask

from app.catalogue import CALL, CHANGE, LOGIN, SHIPPED, Entry
from app.devstack import Database, DevStack
from app.events import FunctionCalled, LimitReached

SQL = """
create function auth.{name}(user_ text, code text) returns json language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if code <> 'right' then
    raise sqlstate 'PT401' using message = 'Invalid code';
  end if;
  return json_build_object('token', '{token}');
end
$$;
grant execute on function auth.{name}(text, text) to anon;
"""
AUTH: Field = ("Content-Profile", "auth")
BEARER: Field = ("Authorization", f"Bearer {mint(sid='s-1', jti='x', sub='demo')}")


@dataclass
class Walk:
    """One function behind the gateway."""

    name: str
    running: RunningGateway
    database: Database

    def __call__(self, code: str, *fields: Field) -> Answer:
        body = json.dumps({"user_": "demo", "code": code}).encode()
        json_ = ("Content-Type", "application/json")
        return ask(
            f"http://127.0.0.1:{self.running.port}", "POST", f"/rpc/{self.name}", [json_, *fields], body
        )

    def recorded(self) -> list[str]:
        return [row["kind"] for row in self.database.fetch("select kind from auth.event order by id")]


@contextmanager
def walk(stack: DevStack, entry: Entry) -> Iterator[Walk]:
    catalogue = SHIPPED.extended(entry)
    with stack.fresh_database() as database, socket.create_server(("127.0.0.1", 0)) as nothing:
        database.execute(SQL.format(name=entry.name, token=mint()))
        settings = settings_for(
            f"http://127.0.0.1:{nothing.getsockname()[1]}",
            database_url=database.gateway_dsn,
            auth_functions=catalogue.public,
            account_functions=catalogue.account,
            login_limit_pair="2/minute",
            change_limit_session="2/minute",
            call_limit_address="2/minute",
        )
        with running_gateway(settings, catalogue=catalogue) as running:
            yield Walk(entry.name, running, database)


@pytest.mark.parametrize(
    ("entry", "fields", "scope", "kinds"),
    [
        (Entry("redeem", LOGIN), (), "pair", ("sign_in_failed", "sign_in_throttled")),
        (
            Entry("confirm", CHANGE, needs_session=True),
            (AUTH, BEARER),
            "session",
            ("password_change_failed", "password_change_throttled"),
        ),
    ],
    ids=["public", "account"],
)
def test_a_function_that_checks_a_secret_is_limited_and_recorded(
    stack: DevStack, entry: Entry, fields: tuple[Field, ...], scope: str, kinds: tuple[str, str]
) -> None:
    with walk(stack, entry) as call:
        before = call.recorded()
        assert [call("wrong", *fields).status, call("right", *fields).status] == [401, 200]
        assert [call("wrong", *fields).status for _ in range(3)] == [401, 401, 429], "the success cleared it"

        called = call.running.events_of(FunctionCalled)
        assert [(event.name, event.status) for event in called] == [
            (entry.name, status) for status in (401, 200, 401, 401)
        ]
        assert call.running.events_of(LimitReached) == [LimitReached(entry.name, scope)]
        failed, throttled = kinds
        wait_until(lambda: len(call.recorded()) == len(before) + 4, "the failures to be recorded")
        assert call.recorded()[len(before) :] == [failed, failed, failed, throttled]


def test_a_function_that_checks_none_is_limited_by_address_alone(stack: DevStack) -> None:
    with walk(stack, Entry("look_up", CALL, needs_session=True)) as call:
        before = call.recorded()
        assert [call("wrong", AUTH).status for _ in range(3)] == [401, 401, 429]
        assert call.running.events_of(LimitReached) == [LimitReached("look_up", "address")]
        assert call.recorded() == before


def test_an_account_function_is_the_gateways_only_by_its_profile(stack: DevStack) -> None:
    with walk(stack, Entry("confirm", CHANGE, needs_session=True)) as call:
        assert json.loads(call("right").body)["code"] == "GW200", "without a profile it is the API's own"
        assert json.loads(call("right", ("Content-Profile", "api")).body)["code"] == "GW200"
        assert not call.running.events_of(FunctionCalled)
        assert call("right", AUTH, BEARER).status == 200
