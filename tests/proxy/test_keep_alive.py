"""Connections that serve many requests, and those that must not."""

import pytest
from harness.relay.client import request
from harness.relay.deadlines import wait_until
from harness.relay.lane import Lane
from harness.relay.upstream import OK, answer
from harness.relay.wire import Ending


def test_both_connections_are_kept_for_the_next_request(lane: Lane) -> None:
    client, upstream = lane.relaying()
    for number in range(5):
        upstream.request()
        upstream.send(answer(b"%d" % number))
        got = client.answer()
        assert (got.body, got.head.closes) == (b"%d" % number, False)
        client.send(request("GET", "/rest/items"))
    upstream.request()
    assert lane.upstream.nobody_knocks


def test_another_client_gets_the_connection_that_is_free(lane: Lane) -> None:
    first, upstream = lane.relaying()
    upstream.request()
    upstream.send(OK)
    first.answer()
    second = lane.client()
    second.send(request("GET", "/rest/items?second"))
    assert upstream.request().head.target == b"/items?second"
    upstream.send(OK)
    assert second.answer().status == 200
    assert lane.upstream.nobody_knocks


def test_two_requests_at_once_take_two_connections(lane: Lane) -> None:
    _, first = lane.relaying()
    _, second = lane.relaying()
    assert first.request().head.target == second.request().head.target == b"/items"


def test_a_client_that_asks_to_close_is_closed_and_the_upstream_connection_kept(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/rest/items", ["Connection: close"]))
    assert b"connection" not in upstream.request().head.names
    upstream.send(OK)
    assert client.answer().head.closes
    assert client.ends_silently()
    assert client.ending is Ending.CLOSED
    again = lane.client()
    again.send(request("GET", "/rest/items"))
    upstream.request()
    upstream.send(OK)
    assert not again.answer().head.closes


@pytest.mark.parametrize("fields", [("Connection: close",), ("Connection: Close, X-Other",)])
def test_an_upstream_that_closes_is_not_lent_again_and_the_client_kept(
    lane: Lane, fields: tuple[str, ...]
) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(answer(fields=fields))
    got = client.answer()
    assert not got.head.closes
    upstream.wait_end()
    client.send(request("GET", "/rest/items"))
    second = lane.upstream.accept()
    second.request()
    second.send(OK)
    assert client.answer().status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_upstream_of_http_1_0_is_not_lent_again(lane: Lane, method: str) -> None:
    client, upstream = lane.relaying(request(method, "/rest/items"))
    upstream.request()
    upstream.send(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"[]" if method == "GET" else b""))
    assert client.answer(method).status == 200
    upstream.wait_end()


def test_a_client_of_http_1_0_is_answered_and_closed(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/rest/items", version="1.0"))
    assert upstream.request().head.raw.startswith(b"GET /items HTTP/1.1\r\n")
    upstream.send(OK)
    got = client.answer()
    assert (got.status, got.body) == (200, b"[]")
    assert client.ends_silently()


def test_a_client_of_http_1_0_that_asks_to_be_kept_is_told_that_it_is_not(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/rest/items", ["Connection: keep-alive"], version="1.0"))
    upstream.request()
    upstream.send(OK)
    assert client.answer().head.closes
    assert client.ends_silently()


def test_a_client_of_http_1_0_gets_no_chunks(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/rest/items", version="1.0"))
    upstream.request()
    upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
    reader = client.answering()
    assert reader.body_of(3) == b"one"
    upstream.send(b"3\r\ntwo\r\n0\r\n\r\n")
    got = reader.whole()
    assert got.body == b"onetwo"
    assert b"transfer-encoding" not in got.head.names
    assert client.ending is Ending.CLOSED


def test_a_client_of_http_1_0_without_host_is_served(lane: Lane) -> None:
    plain = request("GET", "/rest/items", version="1.0").replace(b"Host: gw.test\r\n", b"")
    client, upstream = lane.relaying(plain)
    upstream.request()
    upstream.send(OK)
    assert client.answer().status == 200


def test_an_idle_upstream_connection_that_is_closed_is_forgotten(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(OK)
    client.answer()
    upstream.close()
    wait_until(lambda: lane.gateway.pool.open_connections == 0, "the closed connection to be forgotten")
    client.send(request("POST", "/rest/items"))
    second = lane.upstream.accept()
    second.request()
    second.send(OK)
    assert client.answer().status == 200


def test_the_connection_used_last_is_lent_first(lane: Lane) -> None:
    first_client, first = lane.relaying()
    second_client, second = lane.relaying()
    first.request()
    second.request()
    for client, upstream in ((first_client, first), (second_client, second)):
        upstream.send(OK)
        client.answer()
    first_client.send(request("GET", "/rest/items?again"))
    assert second.request().head.target == b"/items?again"
    assert first.is_quiet


def test_blank_lines_before_a_request_are_skipped(lane: Lane) -> None:
    client, upstream = lane.relaying(b"\r\n" + request("GET", "/rest/items"))
    upstream.request()
    upstream.send(OK)
    assert client.answer().status == 200
