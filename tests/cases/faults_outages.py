"""An upstream that is down, hangs, restarts or is overloaded."""

import threading
import time

from harness.relay.client import Client, request
from harness.relay.deadlines import wait_until
from harness.relay.upstream import OK, Upstream, answer

from app.events import RequestRejected
from cases.stage import Stage, check_cut, check_own_answer, fault

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"


@fault("G14")
def it_refuses(stage: Stage) -> None:
    lane = stage.lane_with()
    lane.upstream.close()
    began = time.monotonic()
    got = lane.client().ask("GET", "/rest/items")
    assert time.monotonic() - began < 1
    check_own_answer(got, 502)
    assert got.head.value(b"Retry-After")
    with Client(lane.gateway.admin_port) as admin:
        assert admin.ask("GET", "/ready", token=None).status == 503


@fault("G16")
def it_accepts_and_never_answers(stage: Stage) -> None:
    lane = stage.lane_with(upstream_first_byte_seconds=0.2)
    client, upstream = lane.relaying()
    upstream.request()
    check_own_answer(client.answer(), 504)
    upstream.wait_end()
    stage.check_goes_on(lane)


@fault("G17")
def it_hangs_in_the_body(stage: Stage) -> None:
    lane = stage.lane_with(upstream_stall_seconds=0.2)
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(SIZED)
    check_cut(client)
    upstream.wait_end()


@fault("G18")
def it_resets_in_the_body(stage: Stage) -> None:
    for said in (SIZED, CHUNKED + b"3\r\nabc\r\n", answer(b"abc", sized=False)):
        client, upstream = stage.begun(said)
        client.read_more()
        upstream.reset()
        check_cut(client)


@fault("G19")
def it_closes_its_sending_side_early(stage: Stage) -> None:
    upload = request("POST", "/rest/items", ["Content-Length: 10"]) + b"abc"
    client, upstream = stage.lane.relaying(upload)
    upstream.head()
    upstream.send(answer(b"early", status="409 Conflict"))
    upstream.half_close()
    got = client.answer("POST")
    assert (got.status, got.body) == (409, b"early")
    client, upstream = stage.lane.relaying(upload)
    upstream.head()
    upstream.half_close()
    check_own_answer(client.answer("POST"), 502)


@fault("G21")
def it_restarts_under_load(stage: Stage) -> None:
    lane = stage.lane_with()
    statuses: list[int] = []
    over = threading.Event()

    def load() -> None:
        with Client(lane.gateway.port) as client:
            while not over.is_set():
                statuses.append(client.ask("GET", "/rest/items").status)

    threads = [threading.Thread(target=load, daemon=True) for _ in range(3)]
    with lane.upstream.serving():
        for thread in threads:
            thread.start()
        wait_until(lambda: statuses.count(200) > 20, "some answers")
    lane.upstream.close()
    wait_until(lambda: 502 in statuses, "the gap to be seen")
    lane.upstream = Upstream(port=lane.upstream.port)
    with lane.upstream.serving():
        seen = len(statuses)
        wait_until(lambda: statuses[seen:].count(200) > 20, "answers again")
        over.set()
        for thread in threads:
            thread.join(5)
    assert set(statuses) <= {200, 502, 503}
    assert set(statuses[-10:]) == {200}
    lane.finish()
    lane.upstream.close()


@fault("G24")
def its_pool_is_exhausted(stage: Stage) -> None:
    lane = stage.lane_with(upstream_connections=4, upstream_queue=20, upstream_queue_seconds=0.3)
    clients = [lane.client() for _ in range(40)]
    for client in clients:
        client.send(request("GET", "/rest/slow"))
    busy = [lane.upstream.accept() for _ in range(4)]
    wait_until(lambda: len(lane.gateway.events_of(RequestRejected)) == 36, "36 refusals")
    assert lane.upstream.nobody_knocks
    with Client(lane.gateway.admin_port) as admin:
        assert admin.ask("GET", "/live", token=None).status == 200
    login = lane.client().ask("POST", "/rpc/login", body=b"{}", token=None)
    assert login.status == 503  # the dead database's word: it did not wait for PostgREST's pool
    for end in busy:
        end.request()
        end.send(OK)
    answers = [client.answer() for client in clients]
    assert sorted(got.status for got in answers) == [200] * 4 + [503] * 36
    assert all(got.head.value(b"Retry-After") for got in answers if got.status == 503)


@fault("G48")
def its_name_has_a_dead_address(stage: Stage) -> None:
    """`localhost` may be ::1 first, where nobody listens."""
    listener = Upstream()
    lane = stage.lane_with(upstream=listener, postgrest_url=f"http://localhost:{listener.port}")
    began = time.monotonic()
    stage.check_goes_on(lane)
    assert time.monotonic() - began < 2
