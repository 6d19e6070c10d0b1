"""What clients without a session may take up together, and who gives way when it is too much."""

import time

import pytest
from harness.relay.client import Client, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK

from app.events import RequestRejected
from app.proxy.client_bounds import key_of

LINE = b"GET /rest/items HTTP/1.1\r\nHost: gw.test\r\nX-A: "
BODY = b"POST /rpc/login HTTP/1.1\r\nHost: gw.test\r\nAccept: */*\r\nContent-Length: 60000\r\n\r\n"
WHOLE = request("GET", "/rest/items", token=None)  # refused, and whole


def held(lane: Lane) -> int:
    return lane.gateway.gateway.bounds.held_bytes


def half_open(lane: Lane, data: bytes) -> Client:
    client, before = lane.client(), held(lane)
    client.send(data)
    wait_until(lambda: held(lane) >= before + len(data) - len(BODY), "the bytes to be held")
    return client


def is_open(client: Client) -> bool:
    """Whether it can still be half of a request: nothing has come."""
    client.sock.setblocking(False)  # noqa: FBT003
    try:
        return client.sock.recv(1) is None
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        client.sock.settimeout(8)


@pytest.mark.parametrize("begin", [LINE, BODY], ids=["head", "body"])
def test_with_the_bytes_full_the_oldest_half_open_client_gives_way(lane_with: LaneWith, begin: bytes) -> None:
    lane = lane_with(half_open_bytes=200_000)
    data = begin + b"a" * 30_000
    clients = [half_open(lane, data) for _ in range(3)]
    assert all(is_open(client) for client in clients)
    for _ in range(5):
        clients.append(lane.client())
        clients[-1].send(data)
    wait_until(lambda: not is_open(clients[0]), "the oldest to give way")
    assert held(lane) <= 200_000
    assert is_open(clients[-1])
    assert lane.gateway.wait_event(RequestRejected).code == "GW501"
    newcomer = lane.client()
    newcomer.send(WHOLE)
    assert newcomer.answer().status == 401


def test_what_is_finished_holds_nothing(lane_with: LaneWith) -> None:
    lane = lane_with()
    client = half_open(lane, LINE + b"a" * 30_000)
    client.send(b"\r\n\r\n")
    assert client.answer().status == 401
    wait_until(lambda: held(lane) == 0, "nothing to be held")
    other = half_open(lane, BODY + b"a" * 30_000)
    other.reset()
    wait_until(lambda: held(lane) == 0, "nothing to be held")


def test_who_is_signed_in_never_gives_way(lane_with: LaneWith) -> None:
    lane = lane_with(half_open_bytes=50_000, body_bytes=0)
    client, upstream = lane.relaying(
        request("POST", "/rest/items", ["Content-Length: 100000", "Content-Type: text/plain"]) + b"a" * 60_000
    )
    upstream.head()
    for _ in range(4):
        lane.client().send(LINE + b"a" * 30_000)
    wait_until(lambda: lane.gateway.events_of(RequestRejected), "somebody to give way")
    client.send(b"a" * 40_000)
    assert len(upstream.take(100_000)) == 100_000
    upstream.send(OK)
    assert client.answer("POST").status == 200


def test_a_head_of_too_many_fields_is_refused_before_it_ends(lane_with: LaneWith) -> None:
    lane = lane_with(header_count=50)
    client = lane.client()
    client.send(b"GET /rest/items HTTP/1.1\r\nHost: gw.test\r\n" + b"a:b\r\n" * 100)
    assert client.answer().status == 431


def test_one_address_has_so_many_connections_and_its_oldest_half_open_one_gives_way(
    lane_with: LaneWith,
) -> None:
    lane = lane_with(address_connections=3)
    silent = lane.client()
    used = [lane.client() for _ in range(2)]
    for client in used:
        client.send(WHOLE)
        assert client.answer().status == 401
    newcomer = lane.client()
    newcomer.send(WHOLE)
    assert newcomer.answer().status == 401
    assert silent.answer().status == 503
    silent.wait_end()
    wait_until(lambda: len(lane.gateway.gateway.connections) == 3, "the connection to be gone")
    refused = lane.client()
    assert refused.answer().status == 503  # nobody of that address is half-open
    other = lane.client(address="127.0.0.2")
    other.send(WHOLE)
    assert other.answer().status == 401


def test_trusted_proxies_are_not_counted(lane_with: LaneWith) -> None:
    lane = lane_with(address_connections=1, trusted_proxies="127.0.0.1")
    clients = [lane.client() for _ in range(4)]
    for client in clients:
        client.send(WHOLE)
        assert client.answer().status == 401


def test_with_all_connections_taken_the_oldest_half_open_client_gives_way(lane_with: LaneWith) -> None:
    lane = lane_with(connections=3)
    for number in range(8):
        lane.client().send(LINE + b"a" * number)
        lane.gateway.take_turns(3)
    newcomer = lane.client()
    newcomer.send(WHOLE)
    assert newcomer.answer().status == 401


def test_a_flood_of_half_open_clients_costs_each_newcomer_little(lane_with: LaneWith) -> None:
    lane = lane_with(half_open_bytes=100_000)
    began = time.monotonic()
    for _ in range(100):
        lane.client().send(LINE + b"a" * 20_000)
    newcomer = lane.client()
    newcomer.send(WHOLE)
    assert newcomer.answer().status == 401
    assert time.monotonic() - began < 8
    assert held(lane) <= 100_000


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
        ("fe80::1%eth0", "fe80::2%eth1", "fe80:0:0:1::1"),
    ],
)
def test_an_ipv6_address_counts_with_its_64(address: str, same: str, other: str) -> None:
    assert key_of(address) == key_of(same) != key_of(other)
