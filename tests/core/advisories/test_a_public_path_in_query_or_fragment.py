"""CVE-2025-54576 (GHSA-7rh7-c77v-6434), CVE-2026-41059 (GHSA-pxq7-h93f-9jrg): path rules read the query."""

import pytest

from app.errors import CredentialMissing, GatewayError, TargetInvalid
from core.builders import decide


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("/rpc/get_secret?/rpc/login", CredentialMissing),
        ("/rpc/get_secret?x=/rpc/login", CredentialMissing),
        ("/rpc/get_secret%3f/rpc/login", CredentialMissing),
        ("/rpc/get_secret%23/rpc/login", CredentialMissing),
        ("/rpc/get_secret#/rpc/login", TargetInvalid),
        ("/rpc/get_secret?#/rpc/login", TargetInvalid),
    ],
)
def test_only_the_path_makes_a_request_public(target: str, error: type[GatewayError]) -> None:
    with pytest.raises(error):
        decide(f"POST {target}")
