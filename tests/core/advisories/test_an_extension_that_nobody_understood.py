"""GHSA-752w-5fwx-jx9f, CVE-2025-59420, RFC 7515 section 4.1.11: critical extensions were passed over."""

import pytest

from app.errors import TokenRejected
from core.builders import NOW, token_of, verifier


@pytest.mark.parametrize(
    "header", [{"crit": ["x"], "x": 1}, {"crit": ["b64"], "b64": False}, {"crit": "x"}, {"crit": None}]
)
def test_a_token_with_a_critical_extension_is_refused(header: dict[str, object]) -> None:
    with pytest.raises(TokenRejected):
        verifier().verify(token_of({"alg": "HS256"} | header), NOW)
