"""CVE-2026-48710: a Host with userinfo, a path or a query moved the path that a framework read."""

import pytest

from app.errors import HostInvalid
from core.builders import decide, session


@pytest.mark.parametrize(
    "host", ["a@gw.test", "gw.test/rpc/login?", "gw.test/rpc/login#", "a@gw.test/x?", "gw.test\\rpc"]
)
def test_a_host_holds_a_host_and_nothing_more(host: str) -> None:
    with pytest.raises(HostInvalid):
        decide("GET /rest/items", session(), host=host)
