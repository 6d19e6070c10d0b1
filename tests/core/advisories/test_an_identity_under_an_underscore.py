"""CVE-2025-64484 (GHSA-vjrc-mh2v-45x6): `X_Role` is `X-Role` to CGI and SQL, but not to a filter."""

import pytest

from core.builders import decide, session


@pytest.mark.parametrize(
    "name",
    ["X_Forwarded_For", "X_Role", "Remote_User", "X-Auth_Request-User", "Authorization_", "Content_Length"],
)
def test_no_name_with_an_underscore_crosses(name: str) -> None:
    assert b"admin" not in decide("GET /rest/items", session(), f"{name}: admin").head
