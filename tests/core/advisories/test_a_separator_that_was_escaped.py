"""GHSA-gm3x-23wp-hc2c, CVE-2026-65600, CVE-2025-66490: an escaped slash split the path for some readers."""

import pytest

from app.errors import TargetInvalid
from core.builders import decide, session


@pytest.mark.parametrize("escape", ["%2f", "%2F", "%5c", "%5C", "%00", "%0a", "%0d"])
def test_an_escaped_separator_is_refused(escape: str) -> None:
    for target in (f"/rest{escape}items", f"/rest/a{escape}b", f"/rest/{escape}/evil.test"):
        with pytest.raises(TargetInvalid):
            decide(f"GET {target}", session())
