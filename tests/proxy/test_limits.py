"""Every bound on what one client may send, on its exact edge."""

import pytest
from harness.relay.client import CHUNKED, Client, chunked, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK

from app.events import RequestRejected


def flood(client: Client, piece: bytes, limit: int) -> int:
    """Send until the gateway has enough of it; how much it took."""
    sent = 0
    try:
        while sent < limit:
            sent += client.sock.send(piece)
    except OSError:
        pass
    return sent


# the body


@pytest.mark.parametrize("framing", ["sized", "chunked"])
def test_a_body_of_the_limit_passes(lane_with: LaneWith, framing: str) -> None:
    lane = lane_with(body_bytes=1000)
    sized, parts = request("POST", "/rest/items", body=b"x" * 1000), chunked(b"x" * 400, b"x" * 600)
    client, upstream = lane.relaying(
        sized if framing == "sized" else request("POST", "/rest/items", [CHUNKED]) + parts
    )
    assert len(upstream.request().body) == 1000
    upstream.send(OK)
    assert client.answer("POST").status == 200


def test_a_sized_body_over_the_limit_is_refused_before_the_upstream_is_troubled(lane_with: LaneWith) -> None:
    lane = lane_with(body_bytes=1000)
    client = lane.client()
    client.send(request("POST", "/rest/items", body=b"x" * 1001))
    assert client.answer("POST").status == 413
    assert lane.gateway.wait_event(RequestRejected).code == "GW106"
    assert lane.upstream.nobody_knocks


def test_a_chunked_body_over_the_limit_is_never_whole(lane_with: LaneWith) -> None:
    lane = lane_with(body_bytes=1000)
    client, upstream = lane.relaying(request("POST", "/rest/items", [CHUNKED]) + b"3e8\r\n" + b"x" * 1000)
    upstream.head()
    assert len(upstream.chunk()) == 1000
    client.send(b"\r\n" + chunked(b"y"))
    assert client.answer("POST").status == 413
    assert upstream.ends_silently()


def test_a_chunked_body_over_the_limit_in_one_read_is_never_whole(lane_with: LaneWith) -> None:
    lane = lane_with(body_bytes=1000)
    client = lane.client()
    client.send(request("POST", "/rest/items", [CHUNKED]) + chunked(b"x" * 500, b"y" * 501))
    assert client.answer("POST").status == 413
    lane.upstream.close_connections()
    assert all(b"0\r\n\r\n" not in end.received for end in lane.upstream.ends)


# the head


def head_of(size: int) -> bytes:
    """A request whose fields (names and values) count `size` bytes together."""
    plain = request("GET", "/rest/items", ["X-Fill: "])
    fields = plain.split(b"\r\n")[1:-2]
    counted = sum(len(field) - len(b": ") for field in fields)
    return plain.replace(b"X-Fill: ", b"X-Fill: " + b"a" * (size - counted))


def test_a_head_of_the_limit_passes(lane_with: LaneWith) -> None:
    lane = lane_with(head_bytes=2000)
    client, upstream = lane.relaying(head_of(1900))
    upstream.request()
    upstream.send(OK)
    assert client.answer().status == 200


@pytest.mark.parametrize("piece", [10_000, 100, 1])
def test_a_head_over_the_limit_is_431(lane_with: LaneWith, piece: int) -> None:
    lane = lane_with(head_bytes=2000)
    client = lane.client()
    data = head_of(2001)
    for start in range(0, len(data), piece):
        client.send(data[start : start + piece])
    got = client.answer()
    assert (got.status, got.head.closes) == (431, True)
    assert lane.gateway.wait_event(RequestRejected).code == "GW107"
    assert lane.upstream.nobody_knocks


def test_a_head_whose_first_part_is_large_is_431(lane_with: LaneWith) -> None:
    lane = lane_with(head_bytes=2000)
    client = lane.client()
    data = head_of(3000)
    client.send(data[:1500])
    wait_until(
        lambda: any(each._reader.headers for each in lane.gateway.connections), "the first part to be read"
    )
    client.send(data[1500:])
    assert client.answer().status == 431
    assert lane.upstream.nobody_knocks


@pytest.mark.parametrize(
    "start", [b"GET /rest/items HTTP/1.1\r\nHost: gw.test\r\nX-A: ", b"GET /rest/", b"GET /rest/items?"]
)
def test_a_head_that_never_ends_is_cut_off_early(lane: Lane, start: bytes) -> None:
    client = lane.client()
    client.send(start)
    assert flood(client, b"a" * 65_536, 256 << 20) < 32 << 20
    client.wait_end()
    refused = lane.gateway.wait_event(RequestRejected)
    assert refused.status in {431, 414}
    assert lane.upstream.nobody_knocks


def test_a_request_behind_a_large_body_is_measured_by_itself(lane_with: LaneWith) -> None:
    lane = lane_with(head_bytes=2000)
    client = lane.client()
    with lane.upstream.serving():
        client.send(request("POST", "/rest/items", body=b"x" * 50_000) + head_of(1900))
        assert [client.answer("POST").status, client.answer().status] == [200, 200]


def test_trailers_that_never_end_are_cut_off(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", [CHUNKED]) + b"1\r\nx\r\n0\r\n")
    upstream.head()
    assert flood(client, b"X-Trailer: " + b"a" * 1000 + b"\r\n", 256 << 20) < 32 << 20
    assert upstream.chunk() == b"x"
    assert upstream.ends_silently()


def test_a_trailer_that_never_ends_is_cut_off(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", [CHUNKED]) + b"1\r\nx\r\n0\r\nX-A: ")
    upstream.head()
    assert flood(client, b"a" * 65_536, 256 << 20) < 32 << 20
    assert upstream.chunk() == b"x"
    assert upstream.ends_silently()


def test_chunk_extensions_that_never_end_are_cut_off(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", [CHUNKED]) + b"1;")
    upstream.head()
    assert flood(client, b"a" * 65_536, 256 << 20) < 32 << 20
    assert upstream.ends_silently()


@pytest.mark.parametrize(("count", "status"), [(48, 200), (49, 431)])
def test_the_fields_are_counted(lane_with: LaneWith, count: int, status: int) -> None:
    lane = lane_with(header_count=50)  # Host and Cookie are two of them
    client = lane.client()
    with lane.upstream.serving():
        assert client.ask("GET", "/rest/items", [f"X-{n}: y" for n in range(count)]).status == status
    assert len(lane.upstream.requests) == (1 if status == 200 else 0)


@pytest.mark.parametrize(("length", "status"), [(500, 200), (501, 414)])
def test_the_target_is_measured(lane_with: LaneWith, length: int, status: int) -> None:
    lane = lane_with(target_bytes=500)
    client = lane.client()
    with lane.upstream.serving():
        assert client.ask("GET", "/rest/items?".ljust(length, "a")).status == status
    assert len(lane.upstream.requests) == (1 if status == 200 else 0)


# connections


def test_one_connection_too_many_is_503_until_another_leaves(lane_with: LaneWith) -> None:
    lane = lane_with(connections=2)
    with lane.upstream.serving():
        first, second = lane.client(), lane.client()
        assert first.ask("GET", "/rest/items").status == second.ask("GET", "/rest/items").status == 200
        third = lane.client()
        got = third.answer()
        assert (got.status, got.head.closes) == (503, True)
        assert got.head.value(b"Retry-After")
        third.close()
        first.close()
        wait_until(lambda: len(lane.gateway.gateway.connections) == 1, "two clients to be gone")
        assert lane.client().ask("GET", "/rest/items").status == 200


def test_the_admin_listener_answers_when_clients_are_too_many(lane_with: LaneWith) -> None:
    lane = lane_with(connections=1)
    assert (
        lane.client().ask("GET", "/rest/items", token=None).status == 401
    )  # one that is served, not half-open
    assert lane.client().answer().status == 503
    with Client(lane.gateway.admin_port) as admin:
        assert admin.ask("GET", "/live", token=None).status == 200
