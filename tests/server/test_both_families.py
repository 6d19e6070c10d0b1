"""A gateway that listens on any address: clients of both families, each under the address they have."""

import http.client
import socket

import pytest
from proxy.harness.process import gateway_process
from proxy.harness.tokens import VALID
from proxy.harness.upstream import OK, Upstream


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
def test_clients_of_both_families_are_served_under_their_own_addresses(host: str) -> None:
    upstream = Upstream()
    trusted = "127.0.0.1/32"
    with gateway_process(upstream.url, host=host, admin_host=host, trusted_proxies=trusted) as gateway:
        for address, forwarded in (("127.0.0.1", "192.0.2.9, 127.0.0.1"), ("::1", "::1")):
            headers = {"X-Forwarded-For": "192.0.2.9", "Cookie": f"access_token={VALID}"}
            client = http.client.HTTPConnection(address, gateway.port)
            client.request("GET", "/rest/items", headers=headers)
            end = upstream.accept()
            assert f"X-Forwarded-For: {forwarded}\r\n".encode() in end.head().raw
            end.send(OK)
            assert client.getresponse().status == 200
            client.close()
            admin = http.client.HTTPConnection(address, gateway.admin_port)
            admin.request("GET", "/live")
            assert admin.getresponse().status == 200
            admin.close()
        assert f"http://localhost:{gateway.port} (every IPv4 and IPv6 address)" in gateway.log.read_text()
    upstream.close()
