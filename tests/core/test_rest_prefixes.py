"""PostgREST under several prefixes: each leads to the same API, auth functions and document."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.http.locations import public_location
from app.core.http.routing import JWKS_PATH, AuthFunction, OwnDocument, Policy, Route
from app.core.http.targets import split_target
from app.errors import CredentialMissing, MethodNotAllowed, OriginDenied, RouteUnknown, TargetInvalid
from app.settings.routes import read_rest_prefixes

from .builders import FUNCTIONS, NOW, REST, RPC, decide, gateway, refusal, router, session
from .properties import tried

V1 = replace(REST, prefix=b"/rest/v1/")
ROOT = replace(REST, prefix=b"/")
FILES = Route("files", b"/files/", "files", b"files:80")
ALL = (REST, V1, ROOT)
EVERYWHERE = router(*ALL, RPC, FILES, rpc_prefixes=(b"/rpc/", b"/rest/rpc/", b"/rest/v1/rpc/"))
GATE = gateway(router=EVERYWHERE)
RPC_PATHS = [
    prefix + b"rpc/" + name.encode() for prefix in (b"/", b"/rest/", b"/rest/v1/") for name in FUNCTIONS
]


@pytest.mark.parametrize("path", RPC_PATHS)
def test_an_auth_function_is_the_gateways_under_each_prefix(path: bytes) -> None:
    assert EVERYWHERE.find(b"POST", path) == AuthFunction(path.rpartition(b"/")[2].decode())
    with pytest.raises(MethodNotAllowed):
        EVERYWHERE.find(b"GET", path)


@tried
@given(st.sampled_from(RPC_PATHS), st.data())
def test_no_spelling_of_an_auth_function_is_relayed(path: bytes, data: st.DataObject) -> None:
    """PostgREST decodes each segment once: the path that it gets must not be an auth function's."""
    segments = [
        b"".join(data.draw(st.sampled_from((b"%c", b"%%%02x", b"%%%02X"))) % byte for byte in segment)
        for segment in path.split(b"/")
    ]
    spelled = b"/".join(segments)
    assert not _is_relayed(spelled)


def _is_relayed(path: bytes) -> bool:
    if isinstance(EVERYWHERE.find(b"POST", path), AuthFunction):
        return False
    try:
        split_target(path)
        EVERYWHERE.check_spelling(b"POST", path, b"auth", None, None)
    except TargetInvalid:
        return False
    return True


@pytest.mark.parametrize(
    ("path", "route", "upstream"),
    [
        (b"/rest/items", REST, b"/items"),
        (b"/rest/v1/items", V1, b"/items"),
        (b"/rest/v1/rpc/add", V1, b"/rpc/add"),
        (b"/rest/v1", REST, b"/v1"),
        (b"/items", ROOT, b"/items"),
        (b"/rpc/add", RPC, b"/rpc/add"),
        (b"/files/a", FILES, b"/files/a"),
        (b"/auth", ROOT, b"/auth"),  # a table of this name
    ],
)
def test_the_longest_prefix_wins_and_postgrest_never_sees_it(
    path: bytes, route: Route, upstream: bytes
) -> None:
    found = EVERYWHERE.route(path)
    assert found == route
    assert found is not None
    assert found.upstream_path(path) == upstream


@pytest.mark.parametrize("path", ["/auth/x", "/auth/", "/.well-known/openid-configuration"])
def test_the_prefix_of_everything_leaves_the_gateways_own_paths_alone(path: str) -> None:
    assert EVERYWHERE.route(path.encode()) is None
    refusal(RouteUnknown, f"GET {path}", session(), gate=GATE)
    refusal(CredentialMissing, f"GET {path}", gate=GATE)
    assert router(replace(FILES, prefix=b"/")).route(path.encode()) is not None  # a site at `/` keeps them


def test_the_gateways_own_documents_come_before_the_prefix_of_everything() -> None:
    assert EVERYWHERE.find(b"GET", JWKS_PATH) == OwnDocument(JWKS_PATH)


@pytest.mark.parametrize("path", [b"/", b"/rest/", b"/rest/v1/"])
def test_each_prefix_has_the_document_for_everyone(path: bytes) -> None:
    found = EVERYWHERE.find(b"GET", path)
    assert isinstance(found, Route)
    assert (found.policy, found.is_document) == (Policy.OPTIONAL, True)
    assert found.upstream_path(path) == b"/"


@pytest.mark.parametrize(
    ("route", "expected"), [(REST, b"/rest/a?id=eq.1"), (V1, b"/rest/v1/a?id=eq.1"), (ROOT, b"/a?id=eq.1")]
)
def test_a_location_has_the_prefix_of_its_request(route: Route, expected: bytes) -> None:
    assert public_location(b"/a?id=eq.1", route, b"gw.test") == expected
    assert public_location(b"http://postgrest:3000/a?id=eq.1", route, b"gw.test") == expected
    assert public_location(b"https://elsewhere/a", route, b"gw.test") == b"https://elsewhere/a"


@pytest.mark.parametrize("prefix", ["/", "/rest/", "/rest/v1/"])
@pytest.mark.parametrize("path", ["items", "rpc/login", "rpc/add"])
def test_another_sites_page_writes_under_no_prefix(prefix: str, path: str) -> None:
    line = f"POST {prefix}{path}"
    refusal(OriginDenied, line, session(), "Origin: https://evil.test", gate=GATE, now=NOW)
    decide(line, session(), "Origin: https://gw.test", gate=GATE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("/rest/v1/", ("/rest/v1/",)), ("/, /rest/ ,/rest/v1/", ("/", "/rest/", "/rest/v1/"))],
)
def test_prefixes_are_read(text: str, expected: tuple[str, ...]) -> None:
    assert read_rest_prefixes(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", ",", "rest", "/rest", "rest/", "//", "/a//b/", "/../", "/a/./", "/%61/", "/rest/,/rest/", "/rpc/",
     "/rest/rpc/", "/auth/", "/auth/v1/", "/.well-known/", "/a b/", "/rest/*"],
)  # fmt: skip
def test_any_other_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^has "):
        read_rest_prefixes(text)
