"""CVE-2024-45410, CVE-2022-31813, CVE-2025-48865: Connection named the proxy's own fields away."""

from core.builders import decide, mint, session

TOKEN = mint()


def test_connection_takes_nothing_from_what_the_gateway_writes() -> None:
    head = decide(
        "GET /rest/items",
        session(TOKEN),
        "Connection: close, Authorization, cookie, Host, X-Request-Id",
        "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host",
    ).head
    for line in (
        b"Host: postgrest:3000",
        b"X-Forwarded-For: 198.51.100.7",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: gw.test",
        b"X-Request-Id: id-1",
        b"Authorization: Bearer " + TOKEN.encode(),
    ):
        assert head.count(b"\r\n" + line + b"\r\n") == 1
