"""GHSA-p224-6x5r-fjpm, GHSA-xf64-8mw2-4gr2, CVE-2026-40912: one path was checked, another fetched."""

import pytest

from app.errors import TargetInvalid
from core.builders import decide, session


@pytest.mark.parametrize(
    "target",
    [
        "/rest/../rpc/get_secret",
        "/rest/%2e%2e/rpc/get_secret",
        "/rest/.%2E/rpc/get_secret",
        "/rest/%2e./rpc/get_secret",
        "/rest%2f..%2frpc/get_secret",
        "/rest/..%5crpc/get_secret",
        "/rest/..;/rpc/get_secret",
        "/rest/%c0%ae%c0%ae/rpc/get_secret",
    ],
)
def test_no_spelling_of_dots_leaves_the_prefix(target: str) -> None:
    with pytest.raises(TargetInvalid):
        decide(f"GET {target}", session())
