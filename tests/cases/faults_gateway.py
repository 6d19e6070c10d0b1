"""Faults of the gateway's own making, and of what surrounds it."""

import threading
import time
from contextlib import suppress
from functools import partial

import pytest
from harness.relay.client import Client, request
from harness.relay.gateway import running_gateway, settings_for
from harness.relay.process import gateway_process
from harness.relay.tokens import KEY, VALID, mint
from harness.relay.upstream import Upstream, UpstreamEnd, answering

from app.core import admission
from app.core.tokens.verify import TokenVerifier
from app.errors import TokenRejected
from app.events import InternalFailure, RequestRejected
from app.proxy.exchange.exchange import Exchange
from app.proxy.upstream.connection import UpstreamConnection
from app.proxy.upstream.pool import UpstreamPool
from cases.stage import Stage, check_own_answer, fault

OURS = {
    b"host",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-request-id",
    b"authorization",
}


@fault("B38")
def line_ends_in_values_of_ours(stage: Stage) -> None:
    upstream = Upstream()
    lane = stage.lane_with(upstream=upstream, routes=f"/files/ {upstream.url} required")
    with upstream.serving():
        evil = "a\r\nX-Evil: 1"
        for token in (mint(sub=evil), mint(role=evil), mint(sub="a\nX-Evil: 1")):
            assert lane.client().ask("GET", "/files/x", token=token).status == 401
        for subject in ("é", "日本", "a b", "a%0d%0aX-Evil: 1", '"', "x" * 3000):
            assert lane.client().ask("GET", "/files/x", token=mint(sub=subject)).status == 200
    for received in upstream.requests:  # each was read strictly
        assert b"x-evil" not in received.head.names


@fault("B52")
def it_is_its_own_upstream(stage: Stage) -> None:
    """A request that comes back for the second time is known by its Via, also behind another gateway."""
    lane, between = stage.lane_with(), Upstream()

    def pass_on(end: UpstreamEnd, port: int) -> None:
        with Client(port) as back:
            back.sock.settimeout(None)
            threading.Thread(target=_copy, args=(end, back), daemon=True).start()
            _copy(back, end)

    with running_gateway(settings_for(between.url)) as other:
        for port in (lane.gateway.port, other.port):
            lane.upstream.forget()
            between.forget()
            with (
                lane.upstream.serving(partial(pass_on, port=port)),
                between.serving(partial(pass_on, port=lane.gateway.port)),
            ):
                for method in ("GET", "DELETE"):
                    got = lane.client().ask(method, "/rpc/loop", ["Via: 1.1 gw.test"])
                    check_own_answer(got, 508)
            assert len(lane.upstream.ends) == 2
            assert len(between.ends) == (2 if port == other.port else 0)
    assert all(error.code == "GW304" for error in lane.gateway.events_of(RequestRejected))
    between.close()


def _copy(source: Client | UpstreamEnd, target: Client | UpstreamEnd) -> None:
    with suppress(OSError):
        while data := source.take_some():
            target.send(data)
        target.half_close()


@fault("D56")
def tokens_that_are_remembered(stage: Stage) -> None:
    lane = stage.lane_with()
    verifier = lane.gateway.gateway.admission.verifier
    expiry = int(time.time()) + 2
    short = mint(exp=expiry, sub="short")
    with lane.upstream.serving():
        kept = lane.client()
        assert kept.ask("GET", "/rest/items", token=short).status == 200
        while (got := kept.ask("GET", "/rest/items", token=short)).status == 200:
            pass
        assert (got.status, time.time() >= expiry) == (401, True)
        assert lane.client().ask("GET", "/rest/items", token=short).status == 401
        known = len(verifier._good)
        for number in range(3000):
            with pytest.raises(TokenRejected):
                verifier.verify(VALID[:-6].encode() + b"%06d" % number, time.time())
        assert len(verifier._good) <= known
        small = TokenVerifier(verifier._keys, remembered=50)
        for number in range(300):
            small.verify(mint(sub=f"u{number}").encode(), time.time())
        assert len(small._good) <= 50
    subjects = {received.head.value(b"authorization") for received in lane.upstream.requests}
    assert subjects == {f"Bearer {short}".encode()}


@fault("G25")
def the_database_is_down(stage: Stage) -> None:
    lane = stage.lane
    with lane.upstream.serving(), Client(lane.gateway.admin_port) as admin:
        assert lane.client().ask("GET", "/rest/items").status == 200
        login = lane.client().ask(
            "POST", "/rpc/login", ["Content-Type: application/json"], body=b"{}", token=None
        )
        assert login.status == 503
        assert login.head.value(b"Retry-After")
        ready = admin.ask("GET", "/ready", token=None)
        assert (ready.status, b'"postgres":false' in ready.body) == (503, True)


@fault("G39")
def no_step_takes_long(stage: Stage) -> None:
    """CPU time of the heaviest single steps: it is what one client can take from all others at once."""
    verifier = stage.lane.gateway.gateway.admission.verifier
    heaviest = mint(x="y" * 5900).encode()
    assert len(heaviest) < 8192
    deep = mint(x="[" * 2800).encode()
    for token in (heaviest, deep):
        began = time.thread_time()
        verifier.verify(token, time.time())
        assert time.thread_time() - began < 0.05
    cookie = "Cookie: " + "a=b; " * 12_000 + f"access_token={VALID}"
    data = request("GET", "/rest/items", [cookie], token=None)
    with stage.lane.upstream.serving():
        client = stage.lane.client()
        began = time.monotonic()
        client.send(data)
        assert client.answer().status == 431
        assert time.monotonic() - began < 2


@fault("G40")
def every_layer_raises(stage: Stage) -> None:
    _skip_if_compiled()
    lane = stage.lane
    broken = [
        (admission, "upstream_head"),
        (admission.Admission, "decide"),
        (UpstreamPool, "acquire"),
        (Exchange, "begin_response"),
        (Exchange, "flush_response"),
        (UpstreamConnection, "on_headers_complete"),
        (UpstreamConnection, "write"),
    ]
    for target, name in broken:
        lane.gateway.events.clear()
        with stage.patch.context() as patch, lane.upstream.serving():
            patch.setattr(target, name, _fail)
            client = lane.client()
            client.send(request("GET", "/rest/items", [f"X-Layer: {name}"]))  # a head that nobody has seen
            got = client.answer()
            assert got.status in {500, 502}, (name, got)
            assert b"KeyError" not in got.body
            assert b"secret" not in got.body
            failed = lane.gateway.events_of(InternalFailure)
            assert len(failed) == 1, name
            assert failed[0].request_id == got.head.value(b"X-Request-Id")
        for received in lane.upstream.requests:
            assert received.head.value(b"authorization") == f"Bearer {VALID}".encode()
        lane.finish()
        lane.upstream.forget()
    stage.check_goes_on()


def _fail(*_: object, **__: object) -> None:
    raise KeyError("secret")


def _skip_if_compiled() -> None:
    if (admission.__file__ or "").endswith(".so"):
        pytest.skip("a compiled gateway cannot be broken from inside")


@fault("G41")
def the_verifier_raises(stage: Stage) -> None:
    _skip_if_compiled()
    for error in (MemoryError, RecursionError, KeyError, ValueError, OverflowError):

        def fail(*_: object, error: type[Exception] = error) -> None:
            raise error("secret")

        with stage.patch.context() as patch, stage.lane.upstream.serving():
            patch.setattr(TokenVerifier, "verify", fail)
            got = stage.lane.client().ask("GET", "/rest/items", token=mint(sub=error.__name__))
            assert got.status in {401, 500}
            assert b"secret" not in got.body
        assert stage.lane.upstream.requests == []


@fault("G44")
def nothing_secret_is_logged(stage: Stage) -> None:
    upstream = Upstream()
    hidden = ["secret-password", "secret-cookie", "secret-query", "secret-dsn", VALID.rpartition(".")[2]]
    dsn = "postgresql://gateway:secret-dsn@127.0.0.1:1/none"
    with gateway_process(upstream.url, database_url=dsn) as gateway:
        with upstream.serving(
            answering(b"HTTP/1.1 500 secret-query\r\nContent-Length: 12\r\n\r\nsecret-query")
        ):
            client = gateway.client()
            client.ask("GET", "/rest/items?token=secret-query", ["Cookie: a=secret-cookie"])
            client.ask(
                "GET", "/rest/items?token=secret-query", [f"Cookie: access_token={VALID}x"], token=None
            )
            client.ask("GET", "/rest/../elsewhere?secret-query", token=VALID)
            client.ask(
                "POST", "/rpc/login", ["Content-Type: application/json"], body=b'{"pass":"secret-password"}'
            )
            client.ask(
                "POST", "/rpc/login", ["Content-Type: application/json"], body=b'{"pass":"secret-password"'
            )
            client.ask("GET", "/rpc/login?pass=secret-password")
            client.ask("POST", "/rpc/refresh_token", ["Cookie: refresh_token=secret-cookie"], body=b"")
        upstream.close()
        gateway.client().ask("GET", "/rest/items?token=secret-query")
        gateway.terminate()
        gateway.wait()
        log = gateway.log.read_text()
    assert "request_rejected" in log
    assert [word for word in [*hidden, KEY.hex(), "Authorization"] if word in log] == []


@fault("G49")
def a_proxy_in_the_environment(stage: Stage) -> None:
    upstream, proxy = Upstream(), Upstream()
    environment = dict.fromkeys(
        ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"), proxy.url
    )
    with gateway_process(upstream.url, environment=environment) as gateway, upstream.serving():
        assert gateway.client().ask("GET", "/rest/items").status == 200
        with Client(gateway.admin_port) as admin:
            assert b'"postgrest":true' in admin.ask("GET", "/ready", token=None).body
    assert proxy.nobody_knocks
    upstream.close()
    proxy.close()


@fault("G51")
def headers_of_a_client_library(stage: Stage) -> None:
    with stage.lane.upstream.serving():
        client = stage.lane.client()
        client.ask("GET", "/rest/items")
        client.ask("POST", "/rest/items", body=b"{}")
    got, posted = stage.lane.upstream.requests
    assert got.head.names == OURS
    assert posted.head.names == OURS | {b"content-length"}
