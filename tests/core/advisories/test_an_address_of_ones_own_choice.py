"""RFC 7239 section 8.1: anybody can write X-Forwarded-For; rate limits and logs believed the first entry."""

import pytest

from core.builders import decide, peer, session

CHAIN = "X-Forwarded-For: 127.0.0.1, 10.0.0.9"


@pytest.mark.parametrize("alias", ["X-Real-IP", "Forwarded", "X-Client-IP", "X_Forwarded_For"])
def test_a_strangers_word_about_addresses_is_dropped(alias: str) -> None:
    found = decide("GET /rest/items", session(), CHAIN, f"{alias}: 127.0.0.1", peer=peer("198.51.100.7"))
    assert found.client.address == "198.51.100.7"
    assert b"127.0.0.1" not in found.head


def test_behind_a_trusted_proxy_the_last_entry_counts() -> None:
    found = decide("GET /rest/items", session(), f"{CHAIN}, 192.0.2.1", peer=peer("10.0.0.1"))
    assert found.client.address == "192.0.2.1"
