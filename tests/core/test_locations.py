"""Location and Content-Location lead from outside where the upstream meant."""

from dataclasses import replace

import pytest

from app.core.http.locations import public_location
from app.core.http.routing import Route
from app.core.relay.client_lines import client_lines
from app.core.relay.response_headers import ResponseHeaders

from .builders import NAMES, REST, RPC

HOST = b"App.example:8443"
STRIPPED = Route("fa", b"/fa/", "fa", b"10.0.0.5:8531", strip=True)
WHOLE = replace(STRIPPED, strip=False)
PASSED = replace(STRIPPED, passes_host=True)
PORT_80 = replace(STRIPPED, authority=b"Files")
UNIX = replace(STRIPPED, authority=b"localhost")

MOVED = [
    (REST, b"/todos?id=eq.1", b"/rest/todos?id=eq.1"),
    (REST, b"/rest?id=eq.1", b"/rest/rest?id=eq.1"),
    (REST, b"http://postgrest:3000/todos", b"/rest/todos"),
    (STRIPPED, b"/items/", b"/fa/items/"),
    (STRIPPED, b"/", b"/fa/"),
    (STRIPPED, b"http://10.0.0.5:8531/items/?a=b#c", b"/fa/items/?a=b#c"),
    (STRIPPED, b"https://10.0.0.5:8531/items/", b"/fa/items/"),
    (STRIPPED, b"//10.0.0.5:8531/items/", b"/fa/items/"),
    (STRIPPED, b"HTTP://10.0.0.5:8531", b"/fa/"),
    (STRIPPED, b"http://10.0.0.5:8531?a", b"/fa/?a"),
    (STRIPPED, b"/fa/items/", b"/fa/items/"),  # it was told the prefix
    (STRIPPED, b"http://10.0.0.5:8531/fa/items/", b"/fa/items/"),
    (STRIPPED, b"http://10.0.0.5:8531//evil.test/", b"/fa//evil.test/"),
    (PORT_80, b"http://files:80/x", b"/fa/x"),
    (PORT_80, b"https://files:443/x", b"/fa/x"),
    (replace(PORT_80, authority=b"files:80"), b"http://FILES/x", b"/fa/x"),
    (UNIX, b"http://localhost/x", b"/fa/x"),
    (PASSED, b"http://app.example:8443/x", b"/fa/x"),
    (PASSED, b"https://APP.example:8443/x", b"/fa/x"),
    (PASSED, b"http://10.0.0.5:8531/x", b"/fa/x"),
    (WHOLE, b"http://10.0.0.5:8531/fa/items/", b"/fa/items/"),
    (WHOLE, b"http://10.0.0.5:8531//evil.test/", b"/.//evil.test/"),
    (WHOLE, b"http://10.0.0.5:8531/\\evil.test/", b"/./\\evil.test/"),
    (WHOLE, b"http://10.0.0.5:8531/\t/evil.test/", b"/./\t/evil.test/"),
    (RPC, b"http://postgrest:3000/x", b"/x"),
]
STAYS = [
    b"https://other.test/items/", b"//other.test/items/", b"http://10.0.0.5/items/", b"http://10.0.0.5:8532/",
    b"http://user@10.0.0.5:8531/", b"http://10.0.0.5:8531.other.test/", b"http://App.example:8443/x",
    b"items/", b"./items", b"../items", b"?a=b", b"#c", b"", b"mailto:a@b.test", b"ftp://10.0.0.5:8531/x",
    b"http:/items", b"http:///items", b"http://\\10.0.0.5:8531/",
]  # fmt: skip


@pytest.mark.parametrize(("route", "written", "public"), MOVED)
def test_a_reference_to_the_upstream_becomes_a_path_of_this_origin(
    route: Route, written: bytes, public: bytes
) -> None:
    assert public_location(written, route, HOST) == public


@pytest.mark.parametrize("written", STAYS)
def test_any_other_reference_stays(written: bytes) -> None:
    assert public_location(written, STRIPPED, HOST) == written


@pytest.mark.parametrize("written", [b"/items/", b"//other.test/", b"http://App.example:8443/x"])
def test_without_strip_a_path_is_right_as_it_is(written: bytes) -> None:
    assert public_location(written, WHOLE, HOST) == written


def public(*headers: tuple[bytes, bytes], route: Route = STRIPPED, path: bytes = b"/fa/x") -> list[bytes]:
    return list(client_lines(ResponseHeaders(headers), route, NAMES, path=path, host=HOST, secure=False)[0])


def test_both_fields_in_any_case_and_no_other() -> None:
    headers = (
        (b"location", b"/a"),
        (b"X-Location", b"/c"),
        (b"CONTENT-Location", b" /b "),
        (b"Link", b"</d>"),
    )
    moved = [b"location: /fa/a\r\n", b"X-Location: /c\r\n", b"CONTENT-Location: /fa/b\r\n"]
    assert public(*headers) == [*moved, b"Link: </d>\r\n"]
    assert public((b"X-A", b"1"), *headers, (b"Connection", b"x-a, link")) == moved


def test_what_a_function_of_sql_writes_stays_as_written() -> None:
    written = (b"Location", b"/welcome")
    assert public(written, route=REST, path=b"/rest/rpc/enter") == [b"Location: /welcome\r\n"]
    assert public(written, route=REST, path=b"/rest/rpcs") == [b"Location: /rest/welcome\r\n"]
