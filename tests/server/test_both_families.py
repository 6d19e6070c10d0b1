"""A gateway that listens on any address: clients of both families, each under the address they have."""

import http.client
import socket

import pytest
from harness.relay.process import gateway_process
from harness.relay.tokens import VALID
from harness.relay.upstream import OK, Upstream


def status(host: str, port: int, path: str, headers: dict[str, str]) -> int:
    client = http.client.HTTPConnection(host, port)
    try:
        client.request("GET", path, headers=headers)
        return client.getresponse().status
    finally:
        client.close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
@pytest.mark.parametrize(
    ("address", "forwarded"), [("127.0.0.1", b"192.0.2.9, 127.0.0.1"), ("::1", b"::1")], ids=["IPv4", "IPv6"]
)
def test_a_client_is_served_under_its_own_address(
    upstream: Upstream, host: str, address: str, forwarded: bytes
) -> None:
    """127.0.0.1 is trusted, in whatever form the socket tells it."""
    with gateway_process(upstream.url, host=host, admin_host=host, trusted_proxies="127.0.0.1/32") as gateway:
        client = http.client.HTTPConnection(address, gateway.port)
        headers = {"X-Forwarded-For": "192.0.2.9", "Cookie": f"access_token={VALID}"}
        client.request("GET", "/rest/items", headers=headers)
        end = upstream.accept()
        assert end.head().value(b"x-forwarded-for") == forwarded
        end.send(OK)
        assert client.getresponse().status == 200
        client.close()
        assert status(address, gateway.admin_port, "/live", {}) == 200
        assert f"http://localhost:{gateway.port} (every IPv4 and IPv6 address)" in gateway.log.read_text()
