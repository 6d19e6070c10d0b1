"""GHSA-mfx4-hv73-q22v: a parser stopped at Upgrade, and the body it left was read as the next request."""

import pytest

from app.errors import GatewayError, UpgradeRejected
from core.builders import decide, session

UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 40")


@pytest.mark.parametrize("line", ["POST /rest/items", "GET /rest/", "POST /rpc/login", "GET /rpc/stream"])
def test_an_upgrade_is_refused_and_the_connection_with_it(line: str) -> None:
    with pytest.raises(UpgradeRejected) as refused:
        decide(line, session(), *UPGRADE, upgrade=True)
    assert refused.value.closes


def test_without_a_credential_it_is_refused_all_the_same() -> None:
    with pytest.raises(GatewayError):
        decide("POST /rest/items", *UPGRADE, upgrade=True)
