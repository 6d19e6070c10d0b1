"""PostgREST behind a Unix socket: everything as over TCP."""

from pathlib import Path

from harness.relay.client import request
from harness.relay.fixtures import LaneWith
from harness.relay.upstream import OK, Upstream, answer


def test_requests_are_relayed_and_the_connection_kept(lane_with: LaneWith, tmp_path: Path) -> None:
    lane = lane_with(upstream=Upstream(tmp_path / "postgrest.sock"))
    client, upstream = lane.relaying(request("POST", "/rest/items", body=b"x" * 300_000))
    received = upstream.request()
    assert len(received.body) == 300_000
    assert received.head.value(b"host") == b"localhost"
    upstream.send(answer(b"y" * 300_000))
    assert len(client.answer("POST").body) == 300_000
    client.send(request("GET", "/rest/items"))
    upstream.request()
    upstream.send(OK)
    assert client.answer().status == 200


def test_a_socket_that_is_not_there_is_502(lane_with: LaneWith, tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "postgrest.sock")
    lane = lane_with(upstream=upstream)
    (tmp_path / "postgrest.sock").unlink()
    client = lane.client()
    client.send(request("GET", "/rest/items"))
    got = client.answer()
    assert got.status == 502
    assert str(tmp_path).encode() not in got.body


def test_a_socket_that_comes_back_is_used(lane_with: LaneWith, tmp_path: Path) -> None:
    path = tmp_path / "postgrest.sock"
    first = Upstream(path)
    lane = lane_with(upstream=first)
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(OK)
    client.answer()
    first.close()
    path.unlink()
    lane.upstream = Upstream(path)
    client.send(request("GET", "/rest/items"))
    fresh = lane.upstream.accept()
    fresh.request()
    fresh.send(OK)
    assert client.answer().status == 200
    lane.upstream.close()
