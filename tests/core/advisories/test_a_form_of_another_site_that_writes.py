"""CVE-2021-32677 (GHSA-8h2j-cgx8-6xv7): a cross-site request without a preflight wrote with our cookies."""

import pytest

from app.errors import OriginDenied
from core.builders import decide, session


@pytest.mark.parametrize(
    "path", ["/rest/items", "/rpc/transfer", "/rpc/login", "/rpc/logout", "/rest/rpc/refresh_token"]
)
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_simple_request_of_another_site_is_denied(path: str, content_type: str) -> None:
    for sign_of_it in ("Origin: https://evil.test", "Origin: null", "Sec-Fetch-Site: cross-site"):
        with pytest.raises(OriginDenied):
            decide(f"POST {path}", session(), f"Content-Type: {content_type}", sign_of_it)
