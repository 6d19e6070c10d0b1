"""The settings that name functions and members of replies."""

import base64

import pytest

from app.settings import Settings, SettingsInvalid, load_settings

REQUIRED = {
    "POSTGATE_DATABASE_URL": "postgresql://gateway@db/app",
    "POSTGATE_JWT_SECRET": base64.b64encode(bytes(range(32))).decode(),
}


def load(**values: str) -> Settings:
    return load_settings(REQUIRED | {f"POSTGATE_{name.upper()}": value for name, value in values.items()})


def test_functions_may_have_a_schema() -> None:
    settings = load(
        auth_functions="api.login,logout",
        password_functions="login",
        refresh_function="api.renew",
        pre_request="api.check",
        token_members="data.jwt, token",
    )
    assert settings.auth_functions == ("api.login", "logout")
    assert settings.in_auth_schema(settings.auth_functions) == ["logout"]
    assert settings.in_auth_schema(["auth.login"]) == ["login"]
    assert settings.token_members == ("data.jwt", "token")


@pytest.mark.parametrize("name", ["auth_functions", "account_functions"])
def test_none_is_the_empty_list(name: str) -> None:
    assert getattr(load(**{name: "none"}), name) == ()


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"auth_functions": "a.b.c"}, "POSTGATE_AUTH_FUNCTIONS"),
        ({"auth_functions": ".login"}, "POSTGATE_AUTH_FUNCTIONS"),
        ({"refresh_function": "api."}, "POSTGATE_REFRESH_FUNCTION"),
        ({"pre_request": "drop table"}, "POSTGATE_PRE_REQUEST"),
        ({"refresh_argument": "a.b"}, "POSTGATE_REFRESH_ARGUMENT"),
        ({"token_members": "a..b"}, "POSTGATE_TOKEN_MEMBERS"),
        ({"token_body": "drop"}, "POSTGATE_TOKEN_BODY"),
        ({"auth_functions": "api.login,shop.login"}, "login in two schemas"),
        ({"auth_functions": "login", "password_functions": "api.other"}, "POSTGATE_PASSWORD_FUNCTIONS"),
    ],
)
def test_what_is_no_function_or_member_is_a_problem(values: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        load(**values)
    assert any(problem in text for text in raised.value.problems), raised.value.problems
