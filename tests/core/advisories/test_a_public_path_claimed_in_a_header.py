"""CVE-2026-40575 (GHSA-7x63-xv5r-3p2x), CVE-2026-35051 (GHSA-6384-m2mw-rf54): a header named the path."""

import pytest

from app.errors import CredentialMissing
from core.builders import decide, peer

CLAIMS = [
    "X-Forwarded-Uri: /rpc/login",
    "X-Original-URL: /rpc/login",
    "X-Rewrite-URL: /rpc/login",
    "X-Forwarded-Prefix: /rpc/login",
]


@pytest.mark.parametrize("address", ["198.51.100.7", "10.0.0.1"])  # from a trusted proxy as well
def test_a_claimed_path_opens_nothing(address: str) -> None:
    with pytest.raises(CredentialMissing):
        decide("POST /rpc/get_secret", *CLAIMS, peer=peer(address))
