"""CVE-2026-30851: a client sent the very fields by which a proxy tells who asks."""

from core.builders import decide, mint, session

CLAIMS = [
    "Authorization: Bearer forged",
    "X-User: forged",
    "X-Role: forged",
    "Remote-User: forged",
    "X-Remote-User: forged",
    "X-Forwarded-User: forged",
    "X-Auth-Request-User: forged",
    "X-WebAuth-User: forged",
    "Proxy-Authorization: forged",
]


def test_no_claimed_identity_crosses() -> None:
    assert b"forged" not in decide("GET /rest/items", session(mint()), *CLAIMS).head
    assert b"forged" not in decide("GET /rest/", *CLAIMS[1:]).head
