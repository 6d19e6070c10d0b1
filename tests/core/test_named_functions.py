"""Functions of other schemas: their path, and the profile with which a client means them."""

import pytest

from app.core.http.routing import AuthFunction
from core.builders import NOW, gateway, mint, request, router

ROUTER = router(functions=("api.login", "logout"), account_functions=("shop.me",))


@pytest.mark.parametrize(
    ("profile", "is_meant"), [(None, True), (b"api", True), (b"auth", False), (b"other", False)]
)
def test_a_function_is_meant_in_its_own_schema(profile: bytes | None, *, is_meant: bool) -> None:
    function = ROUTER.find(b"POST", b"/rpc/login")
    assert isinstance(function, AuthFunction)
    assert (function.name, function.schema) == ("login", b"api")
    assert function.is_meant(b"POST", b"auth", None, profile) is is_meant


@pytest.mark.parametrize(("profile", "is_meant"), [(None, False), (b"shop", True), (b"auth", False)])
def test_an_account_function_of_another_schema_has_to_be_named(
    profile: bytes | None, *, is_meant: bool
) -> None:
    function = ROUTER.find(b"POST", b"/rpc/me")
    assert isinstance(function, AuthFunction)
    assert function.is_meant(b"POST", b"auth", None, profile) is is_meant


def test_a_function_without_a_schema_is_one_of_the_auth_schema() -> None:
    function = ROUTER.find(b"POST", b"/rest/rpc/logout")
    assert isinstance(function, AuthFunction)
    assert function.is_meant(b"POST", b"auth", None, b"auth")
    assert not function.is_meant(b"POST", b"auth", None, b"api")


def test_the_qualified_name_is_no_path() -> None:
    assert not isinstance(ROUTER.find(b"POST", b"/rpc/api.login"), AuthFunction)


def test_a_request_for_the_same_name_in_another_schema_is_relayed() -> None:
    rules = gateway(router=ROUTER)
    bearer = f"Authorization: Bearer {mint()}"
    own = rules.decide(request("POST /rpc/login", bearer, "Content-Profile: api"), NOW)
    other = rules.decide(request("POST /rpc/login", bearer, "Content-Profile: shop"), NOW)
    assert (own.lane, other.lane) == (AuthFunction("login", schema=b"api"), rules.router.route(b"/rpc/login"))
