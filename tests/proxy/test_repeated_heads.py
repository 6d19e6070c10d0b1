"""The same headers again behind another request line: judged as if they were the first."""

import time

import pytest
from harness.relay.answers import Answer
from harness.relay.client import CHUNKED, Client, chunked, request
from harness.relay.lane import Lane
from harness.relay.repeats import FIELDS, FIRST, WARM, reply, warmed, with_line
from harness.relay.tokens import EXPIRED, OTHER_VALID, VALID, mint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.events import RequestRejected, RequestRelayed


def test_the_upstream_sees_the_same_but_for_the_id(lane: Lane) -> None:
    with lane.upstream.serving():
        client = warmed(lane, times=1)
        ids = []
        for _ in range(3):
            client.send(FIRST)
            ids.append(client.answer().head.value(b"X-Request-Id"))
    received = lane.upstream.requests
    assert [each.head.value(b"x-request-id") for each in received[1:]] == ids
    assert len({each.head.value(b"x-request-id") for each in received}) == 4
    bare = {each.raw.replace(each.head.value(b"x-request-id"), b"") for each in received}
    assert len(bare) == 1


def test_each_is_an_event_of_its_own(lane: Lane) -> None:
    with lane.upstream.serving():
        warmed(lane, times=3)
    events = lane.gateway.events_of(RequestRelayed)
    assert len({event.request_id for event in events}) == 3
    assert {(event.route, event.method, event.status, event.subject) for event in events} == {
        ("rest", b"GET", 200, "u1")
    }


@pytest.mark.parametrize(
    ("target", "status", "relayed"),
    [
        ("/rest/other?b=%ff&c", 200, b"/other?b=%ff&c"),
        ("/rest/items", 200, b"/items"),
        ("/rest/caf%C3%A9", 200, b"/caf%C3%A9"),
        ("/rest/items??x", 200, b"/items??x"),
        ("/rest/", 200, b"/"),
        ("/rpc/add?a=1", 200, b"/rpc/add?a=1"),
        ("/rest/rpc/add", 200, b"/rpc/add"),
        ("/nowhere", 404, None),
        ("/rest", 404, None),
        ("/restricted/x", 404, None),
        ("/rpc/login", 405, None),
        ("/rest/rpc/login?a=b", 405, None),
        ("/rest/../x", 400, None),
        ("/rest/./x", 400, None),
        ("/rest//x", 400, None),
        ("/rest/%2e%2e/x", 400, None),
        ("/rest/a%2fb", 400, None),
        ("/rest/a%zz", 400, None),
        ("/rest/a\\b", 400, None),
        ("/rest/x#y", 400, None),
        ("/rest/x?y#z", 400, None),
        ("rest/x", 400, None),
        ("http://gw.test/rest/x", 400, None),
        ("*", 400, None),
        ("/rest/\xe9", 400, None),
        ("/rest/x?" + "y" * 20_000, 414, None),
    ],
)
def test_another_target_is_judged_anew(lane: Lane, target: str, status: int, relayed: bytes | None) -> None:
    with lane.upstream.serving():
        client = warmed(lane)
        client.send(with_line(f"GET {target} HTTP/1.1"))
        assert client.answer().status == status
    received = [each.head.target for each in lane.upstream.requests[WARM:]]
    assert received == ([relayed] if relayed is not None else [])


@pytest.mark.parametrize(
    "line",
    [
        "HEAD /rest/items HTTP/1.1",
        "POST /rest/items HTTP/1.1",
        "DELETE /rest/items HTTP/1.1",
        "OPTIONS /rest/items HTTP/1.1",
        "TRACE /rest/items HTTP/1.1",
        "get /rest/items HTTP/1.1",
        "GET  /rest/items HTTP/1.1",
        "GET /rest/items  HTTP/1.1",
        "GET /rest/items\tHTTP/1.1",
        "GET /rest/items HTTP/1.2",
        "GET /rest/items",
        "GET /rest/it ems HTTP/1.1",
        " GET /rest/items HTTP/1.1",
    ],
)
def test_another_request_line_is_judged_as_on_a_fresh_connection(lane: Lane, line: str) -> None:
    method = "HEAD" if line.startswith("HEAD") else "GET"

    def outcome(client: Client) -> tuple[int, list[tuple[bytes, bytes]]]:
        before = len(lane.upstream.requests)
        client.send(with_line(line))
        status = client.answer(method).status
        return status, [(each.head.method, each.head.target) for each in lane.upstream.requests[before:]]

    with lane.upstream.serving(reply):
        client = lane.client()
        client.send(request(method, "/rest/items?a=1", FIELDS))
        client.answer(method)
        assert outcome(client) == outcome(lane.client())


def test_an_old_version_with_the_same_headers_is_closed(lane: Lane) -> None:
    with lane.upstream.serving():
        client = warmed(lane)
        client.send(with_line("GET /rest/items HTTP/1.0"))
        assert client.answer().head.closes
        assert client.ends_silently()


@pytest.mark.parametrize(
    ("data", "status", "authorization"),
    [
        (request("GET", "/rest/items?a=1", FIELDS, token=OTHER_VALID), 200, OTHER_VALID),
        (request("GET", "/rest/items?a=1", FIELDS, token=None), 401, None),
        (request("GET", "/rest/items?a=1", FIELDS, token=EXPIRED), 401, None),
        (request("GET", "/rest/items?a=1", FIELDS, token=VALID[:-1] + "_"), 401, None),
        (request("GET", "/rest/items?a=1", [*FIELDS, f"Cookie: access_token={OTHER_VALID}"]), 401, None),
        (request("GET", "/rest/items?a=1", FIELDS).replace(b"Cookie: acc", b"Cookie: xcc"), 401, None),
    ],
)
def test_another_credential_is_judged_anew(
    lane: Lane, data: bytes, status: int, authorization: str | None
) -> None:
    with lane.upstream.serving():
        client = warmed(lane)
        client.send(data)
        assert client.answer().status == status
        assert client.ask("GET", "/rest/items?a=1", FIELDS).status == 200
    seen = [each.head.value(b"authorization") for each in lane.upstream.requests]
    expected = [VALID] * WARM + [*([authorization] if authorization else []), VALID]
    assert seen == [f"Bearer {token}".encode() for token in expected]


def test_a_token_ends_on_a_connection_that_knows_it(lane: Lane) -> None:
    ends = int(time.time()) + 2
    data = request("GET", "/rest/items", token=mint(exp=ends))
    with lane.upstream.serving():
        client = warmed(lane, data)
        got: Answer | None = None
        while got is None or got.status == 200:
            client.send(data)
            got = client.answer()
            assert got.status == 401 or time.time() < ends + 0.5
    assert (got.status, time.time() >= ends) == (401, True)


def test_the_same_bytes_from_another_address_are_somebody_elses(lane: Lane) -> None:
    with lane.upstream.serving():
        warmed(lane)
        for address in ("127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.1"):
            client = lane.client(address=address)
            client.send(FIRST)
            assert client.answer().status == 200
    told = [each.head.value(b"x-forwarded-for") for each in lane.upstream.requests]
    assert told == [b"127.0.0.1"] * WARM + [b"127.0.0.2"] * 3 + [b"127.0.0.1"]


def test_a_refusal_tells_each_address_its_own(lane: Lane) -> None:
    data = request("GET", "/rest/items", token=EXPIRED)
    for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
        client = lane.client(address=address)
        for _ in range(3):
            client.send(data)
            assert client.answer().status == 401
    refused = lane.gateway.events_of(RequestRejected)
    assert [event.client for event in refused] == ["127.0.0.1"] * 3 + ["127.0.0.2"] * 3 + ["127.0.0.1"] * 3


def test_one_clients_head_is_nothing_to_another(lane: Lane) -> None:
    with lane.upstream.serving():
        warmed(lane)
        other = lane.client()
        other.send(FIRST.replace(VALID.encode(), OTHER_VALID.encode()))
        assert other.answer().status == 200
    assert lane.upstream.requests[-1].head.value(b"authorization") == f"Bearer {OTHER_VALID}".encode()


LINES = [
    "GET /rest/a?x=1", "GET /rest/b", "HEAD /rest/a", "GET /rest/", "GET /rpc/f", "GET /rest/../a",
    "GET /nowhere", "GET /rpc/login", "POST /rest/a", "DELETE /rest/a", "GET /rest/a?%00", "GET /rest/%2e/a",
]  # fmt: skip
SETS: list[tuple[list[str], str | None, bytes | None]] = [
    (FIELDS, VALID, None),
    ([], VALID, None),
    ([], OTHER_VALID, None),
    ([], None, None),
    ([], VALID, b"{}"),
    ([CHUNKED], VALID, None),
    (["Connection: x-a", "X-A: 1"], VALID, None),
]


def told(lane: Lane, line: str, which: int) -> bytes:
    method, target = line.split(" ")
    fields, token, body = SETS[which]
    data = request(method, target, fields, token=token, body=body)
    return data + chunked(b"x") if CHUNKED in fields else data


@given(st.lists(st.tuples(st.sampled_from(LINES), st.integers(0, len(SETS) - 1)), min_size=2, max_size=12))
@settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_kept_connection_answers_as_fresh_ones_do(lane: Lane, said: list[tuple[str, int]]) -> None:
    def heard(clients: list[Client]) -> tuple[list[int], list[bytes]]:
        lane.upstream.forget()
        statuses = []
        with lane.upstream.serving(reply):
            for (line, which), client in zip(said, clients, strict=True):
                client.send(told(lane, line, which))
                statuses.append(client.answer(line.split(" ")[0]).status)
            relayed = [
                each.raw.replace(each.head.value(b"x-request-id"), b"") for each in lane.upstream.requests
            ]
        lane.finish()
        return statuses, relayed

    kept = lane.client()
    assert heard([kept] * len(said)) == heard([lane.client() for _ in said])
