"""A request with two different cookies of one name is refused in both lanes, and ends neither session."""

from collections.abc import Iterator
from itertools import permutations

import pytest
from harness.site.client import Field, ask
from harness.site.gateways import StartGateway
from harness.site.roads import AUTH, Roads, cookie, cookies_of, post, roads

from app.devstack import DevStack

FUNCTIONS = {
    "refresh_token": {},
    "logout": {},
    "login": {"user_": "demo", "pass": "x"},
    "change_password": {"old": "right", "new": "x"},
}


@pytest.fixture(scope="module")
def own(stack: DevStack, start_gateway: StartGateway) -> Iterator[Roads]:
    with roads(stack, start_gateway, "own_sessions", ("api",)) as own:
        yield own


def sessions(own: Roads) -> list[dict[str, str]]:
    return [cookies_of(post(own.gateway.url, "/rpc/login", FUNCTIONS["login"])) for _ in range(2)]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
@pytest.mark.parametrize("lines", [1, 2], ids=["one line", "two lines"])
def test_an_auth_function_is_not_called(own: Roads, function: str, name: str, lines: int) -> None:
    one, other = sessions(own)
    for first, second in permutations((one[name], other[name])):
        pairs = [f"{name}={first}", f"theme=dark; {name}={second}"]
        fields: list[Field] = [("Cookie", pair) for pair in (pairs if lines > 1 else ["; ".join(pairs)])]
        reply = post(own.gateway.url, f"/rpc/{function}", FUNCTIONS[function], AUTH, *fields)
        assert (reply.status, b"GW202" in reply.body) == (401, True)
        cleared = reply.head.values(b"set-cookie")
        names = {value.partition(b"=")[0].removeprefix(b"__Host-") for value in cleared}
        assert names == {b"access_token", b"refresh_token"}
        assert all(b"Max-Age=0" in value for value in cleared)
    for held in (one, other):
        assert ask(own.gateway.url, "GET", "/rest/note", [cookie(**held)]).status == 200
        assert post(own.gateway.url, "/rpc/refresh_token", {}, cookie(**held)).status == 204


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
def test_a_relayed_request_is_refused_likewise(own: Roads, name: str) -> None:
    one, other = sessions(own)
    fields = [("Cookie", f"{name}={one[name]}; {name}={other[name]}")]
    answer = ask(own.gateway.url, "GET", "/rest/note", fields)
    assert (answer.status, b"GW202" in answer.body) == (401, True)


def test_the_same_cookie_twice_is_one_session(own: Roads) -> None:
    held = sessions(own)[0]["refresh_token"]
    pairs = ("Cookie", f"refresh_token={held}; refresh_token={held}")
    assert post(own.gateway.url, "/rpc/refresh_token", {}, pairs).status == 204


def test_a_cookie_without_a_name_does_not_hide_the_session_from_a_function(own: Roads) -> None:
    """Browsers send such a cookie as its value alone, and a sibling domain can set one."""
    held = sessions(own)[0]["refresh_token"]
    pairs = ("Cookie", f"refresh_token={held}; refresh_token")
    assert post(own.gateway.url, "/rpc/logout", {}, pairs).status == 204
    assert post(own.gateway.url, "/rpc/refresh_token", {}, cookie(refresh_token=held)).status == 401
