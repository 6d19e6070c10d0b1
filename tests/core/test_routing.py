"""Routing: exactly the public set is public, and every other spelling of it falls to the private side."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.http.routing import AuthFunction, Policy, Route, Router
from app.core.http.targets import split_target
from app.errors import MethodNotAllowed, TargetInvalid

from .builders import FUNCTIONS, REST, RPC, router
from .properties import tried

PUBLIC_PATHS = [f"{prefix}{name}".encode() for prefix in ("/rpc/", "/rest/rpc/") for name in FUNCTIONS]
METHODS = [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"PROPFIND"]


@pytest.mark.parametrize("path", PUBLIC_PATHS)  # A16: the second road means the same as the first
def test_post_to_an_auth_function_is_the_gateways_to_answer(path: bytes) -> None:
    assert router().find(b"POST", path) == AuthFunction(path.rpartition(b"/")[2].decode())


@pytest.mark.parametrize("path", [b"/rpc/logout", b"/rest/rpc/login"])
@pytest.mark.parametrize("method", [method for method in METHODS if method not in {b"POST", b"OPTIONS"}])
def test_an_auth_function_takes_no_other_method(method: bytes, path: bytes) -> None:
    with pytest.raises(MethodNotAllowed):
        router().find(method, path)


def test_a_refused_method_is_told_which_ones_are_allowed() -> None:
    with pytest.raises(MethodNotAllowed) as refused:
        router().find(b"GET", b"/rpc/login")
    assert (refused.value.status, refused.value.headers) == (405, [(b"Allow", b"POST, OPTIONS")])
    assert router().find(b"OPTIONS", b"/rpc/login") == AuthFunction("login")


@pytest.mark.parametrize(
    "path", [b"/rpc/%6cogin", b"/rpc/%6Cogin", b"/rpc/log%69%6E", b"/rest/%72pc/login", b"/%72pc/login"]
)
def test_an_escaped_spelling_is_known_for_the_function_that_postgrest_would_call(path: bytes) -> None:  # A19
    assert not isinstance(router().find(b"POST", path), AuthFunction)
    assert router().find_escaped(path) == AuthFunction("login")


@pytest.mark.parametrize("path", [b"/rpc/login", b"/rpc/%256cogin", b"/rpc/%6cogin%20", b"/rpc/%6cogin/"])
def test_escapes_are_decoded_once_as_postgrest_does(path: bytes) -> None:
    assert router().find_escaped(path) is None


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_the_openapi_document_is_open_with_or_without_a_session(method: bytes) -> None:
    found = router().find(method, b"/rest/")
    assert isinstance(found, Route)
    assert (found.name, found.policy) == ("rest-openapi", Policy.OPTIONAL)


@pytest.mark.parametrize("method", [method for method in METHODS if method not in {b"GET", b"HEAD"}])
def test_the_root_is_private_for_any_other_method(method: bytes) -> None:  # A34
    assert router().find(method, b"/rest/") == REST


@pytest.mark.parametrize(
    "path",
    [
        b"/rpc/%6cogin",  # A19
        b"/rest/rpc/%6cogin",
        b"/rpc/Login",
        b"/rpc/LOGIN",
        b"/rpc/login/",
        b"/rpc/login.json",  # A21
        b"/rpc/login_as_admin",  # A22
        b"/rpc/x/rpc/login",  # A23
        b"/rpc/login%0a",  # A24
        b"/rpc/login\n",
        b"/rpc/login%00.png",  # A25
        b"/rpc/login;x=1",  # A26
        b"/rpc/login%3fx=1",  # A29
        b"/rpc/login ",
        b"/rpc/logi",
        b"/rpc/",
        b"/rest/rpc/login/",
        b"/rest/login",
        b"/rest/items",
        b"/rest/rest/",
        b"/rest/%20",
        b"/rest/;",
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_any_other_spelling_is_private(method: bytes, path: bytes) -> None:
    assert router().find(method, path) == (REST if path.startswith(b"/rest/") else RPC)


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/rest",  # A11
        b"/rpc",
        b"/restricted",  # A12
        b"/rest;/items",
        b"/Rest/items",
        b"/rpcs/login",
        b"/login",
        b"/api/rest/items",
        b"/%72est/items",
        b"/metrics",
    ],
)
def test_a_prefix_ends_at_a_slash_and_nothing_else_is_anywhere(path: bytes) -> None:
    assert router().find(b"GET", path) is None


def test_the_longest_prefix_is_the_route_in_whatever_order_they_come() -> None:
    files = replace(REST, name="files", prefix=b"/rest/files/", upstream="files")
    for routes in ((REST, files), (files, REST)):
        found = router(*routes)
        assert found.route(b"/rest/files/a") == files
        assert found.route(b"/rest/filesystem") == REST
        assert found.route(b"/rest/files") == REST


def test_a_prefix_is_taken_off_all_but_its_last_slash() -> None:
    assert REST.upstream_path(b"/rest/") == b"/"
    assert REST.upstream_path(b"/rest/items") == b"/items"
    assert REST.upstream_path(b"/rest/rest/items") == b"/rest/items"
    assert RPC.upstream_path(b"/rpc/get_secret") == b"/rpc/get_secret"


def test_a_function_of_the_gateways_leaves_its_route_reachable_for_another_schema() -> None:
    assert router().route(b"/rpc/login") == RPC
    assert router().route(b"/rest/rpc/login") == REST


def test_a_request_leads_to_its_own_route_and_to_no_other() -> None:
    found = router()
    assert found.leads(b"GET", b"/rest/items", REST)
    assert found.leads(b"GET", b"/rpc/get_secret", RPC)
    assert not found.leads(b"GET", b"/rest/items", RPC)
    assert not found.leads(b"GET", b"/rest/items", replace(REST))  # equal, but not the one that was checked
    assert not found.leads(b"GET", b"/rest/", REST)  # the document
    assert not found.leads(b"GET", b"/nowhere", REST)
    for method in METHODS:
        assert not found.leads(method, b"/rpc/login", RPC)


def test_only_a_documented_route_has_a_public_document() -> None:
    assert router().find(b"GET", b"/rpc/") == RPC
    assert router(replace(REST, documented=False)).find(b"GET", b"/rest/") == replace(REST, documented=False)


def test_the_public_functions_are_those_that_are_configured() -> None:
    own = Router([RPC], functions=["sign_in"], rpc_prefixes=[b"/rpc/"])
    assert own.find(b"POST", b"/rpc/sign_in") == AuthFunction("sign_in")
    assert own.find(b"POST", b"/rpc/login") == RPC
    assert own.find(b"POST", b"/rest/rpc/sign_in") is None


@tried
@given(st.sampled_from([*PUBLIC_PATHS, b"/rest/items", b"/rpc/loginx"]), st.data())
def test_whatever_decodes_to_a_function_is_that_function_or_refused(path: bytes, data: st.DataObject) -> None:
    """PostgREST takes a path apart at its slashes and decodes each segment once."""
    spelled = b"/".join(_escaped(segment, data) for segment in path.split(b"/"))
    try:
        split_target(spelled)
    except TargetInvalid:
        return
    found = router().find_escaped(spelled) or router().find(b"POST", spelled)
    assert isinstance(found, AuthFunction) is (path in PUBLIC_PATHS)


def _escaped(segment: bytes, data: st.DataObject) -> bytes:
    ways = (b"%c", b"%%%02x", b"%%%02X")
    chosen = data.draw(st.lists(st.sampled_from(ways), min_size=len(segment), max_size=len(segment)))
    return b"".join(way % byte for way, byte in zip(chosen, segment, strict=True))
