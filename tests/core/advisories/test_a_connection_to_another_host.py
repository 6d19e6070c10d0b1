"""GHSA-f52w-8j3h-j724: a target that is no path, put behind a base URL, went elsewhere with its token."""

import pytest

from app.errors import TargetInvalid
from core.builders import decide, session


@pytest.mark.parametrize(
    "target",
    [
        "@evil.test/x",
        "evil.test:80",
        "http://evil.test/",
        "http:http://evil.test/",
        "//evil.test/x",
        "/rest//evil.test/x",
        ".evil.test/",
    ],
)
def test_a_target_that_is_no_path_is_refused_with_a_session(target: str) -> None:
    with pytest.raises(TargetInvalid):
        decide(f"GET {target}", session())


def test_the_upstream_is_told_its_own_name_whatever_the_client_said() -> None:
    head = decide("GET /rest/items", session(), "X-Forwarded-Host: evil.test", host="evil.test").head
    assert head.startswith(b"GET /items HTTP/1.1\r\nHost: postgrest:3000\r\n")
