"""The settings of limits: what is read, what is refused, and that a store's password stays secret."""

import base64

import pytest
from pydantic import SecretStr

from app.catalogue import SHIPPED
from app.settings import Settings, SettingsInvalid, load_settings
from app.wiring.functions import listed_functions
from app.wiring.limits import renewal_attempts

SIMPLE = {
    *("sessions", "end_session", "logout_others", "logout_all", "me", "update_profile", "delete_account"),
    *("request_password_reset", "request_sign_in_code", "request_email_change", "invite", "create_guest"),
}
REQUIRED = {
    "POSTGATE_DATABASE_URL": "postgresql://gateway@db/app",
    "POSTGATE_JWT_SECRET": base64.b64encode(bytes(range(32))).decode(),
}

# Postgate's functions for accounts that hash a password or check a code
OWN = {name for name in SHIPPED.account if name not in SIMPLE}


def load(**changes: str) -> Settings:
    return load_settings(
        {**REQUIRED, **{f"POSTGATE_{name.upper()}": value for name, value in changes.items()}}
    )


def problems(**changes: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as invalid:
        load(**changes)
    return invalid.value.problems


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1",
        "redis://:hunter2@valkey:6379/1",
        "rediss://gateway:hunter2@valkey.example:6380/0?ssl_ca_certs=/etc/ca.pem",
        "unix:///run/valkey.sock?db=1",
    ],
)
def test_a_store_is_a_secret(url: str) -> None:
    settings = load(rate_limit_storage=url)
    assert isinstance(settings.rate_limit_storage, SecretStr)
    assert settings.rate_limit_storage.get_secret_value() == url
    assert url not in repr(settings)


@pytest.mark.parametrize(
    "value",
    ["Memory", "redis", "redis://", "redis://:hunter2@/0", "redis://h:hunter2", "http://hunter2", "unix:",
     "memcached://hunter2", "redis://a:b#hunter2@h", "redis+cluster://hunter2"],
)  # fmt: skip
def test_another_store_is_refused_in_one_sentence_without_its_value(value: str) -> None:
    [problem] = problems(rate_limit_storage=value)
    assert problem.startswith("POSTGATE_RATE_LIMIT_STORAGE is not memory, redis://")
    assert "hunter2" not in problem


def test_a_store_needs_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.settings.kinds.find_spec", lambda _: None)
    [problem] = problems(rate_limit_storage="redis://127.0.0.1")
    assert "pip install '.[valkey]'" in problem
    assert load().rate_limit_storage == "memory"


@pytest.mark.parametrize("value", ["off", "1/second", "5/minute,20/hour,50/day", "5/minute, 20/hour"])
def test_limits_are_read(value: str) -> None:
    settings = load(call_limit_address=value)
    assert settings.call_limit_address == value
    assert renewal_attempts(settings).begin("192.0.2.1")


@pytest.mark.parametrize(
    "value",
    [
        "5",
        "0/minute",
        "5/fortnight",
        "5/minute;20/hour",
        "5 per minute",
        "-1/minute",
        "5/minute,",
        "off,5/minute",
    ],
)
def test_other_limits_are_refused(value: str) -> None:
    [problem] = problems(login_limit_pair=value)
    assert problem.startswith("POSTGATE_LOGIN_LIMIT_PAIR is neither off nor limits such as ")


@pytest.mark.parametrize(
    ("changes", "checks"),
    [
        ({}, {"login", *OWN}),
        ({"auth_functions": "sign_in,logout,enter_pin"}, {"sign_in", "enter_pin", *OWN}),
        ({"auth_functions": "sign_in,whoami", "password_functions": "sign_in"}, {"sign_in"}),
        ({"auth_functions": "logout,renew", "refresh_function": "renew"}, OWN),
    ],
)
def test_what_is_not_known_to_check_no_password_counts_as_a_check(
    changes: dict[str, str], checks: set[str]
) -> None:
    listed = listed_functions(load(**changes), SHIPPED)

    assert {name for name, entry in listed.items() if entry.family.checks_secret} == checks


def test_a_check_that_is_no_function_is_a_typing_error() -> None:
    [problem] = problems(password_functions="log_in")
    assert problem.startswith("POSTGATE_PASSWORD_FUNCTIONS has log_in, which is in neither")


@pytest.mark.parametrize(("checks", "connections"), [("4", "4"), ("5", "4"), ("2", "2"), ("2", "1")])
def test_checks_leave_a_connection_for_sessions(checks: str, connections: str) -> None:
    [problem] = problems(password_checks=checks, database_connections=connections)
    assert problem.startswith("POSTGATE_PASSWORD_CHECKS is not less than POSTGATE_DATABASE_CONNECTIONS")


def test_one_check_and_two_connections_are_enough() -> None:
    assert load(password_checks="1", database_connections="2").password_checks == 1
