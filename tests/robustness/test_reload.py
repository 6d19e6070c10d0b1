"""SIGHUP: settings are read again, all of them or none, and who is connected notices nothing else."""

import json
import os
import signal
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

import pytest
from harness.relay.answers import AnswerCut
from harness.relay.client import Client, request
from harness.relay.deadlines import wait_until
from harness.relay.process import GatewayProcess, gateway_process
from harness.relay.tokens import EXPIRED, KEY, OTHER_KEY, SECRET, VALID, mint
from harness.relay.upstream import OK, Upstream, answering
from harness.relay.websockets import AGREED, HANDSHAKE

OTHER_SECRET = b64encode(OTHER_KEY).decode()
OTHERS = mint(key=OTHER_KEY)
START_SECONDS = 60
REJECTED = 'gateway_settings_reloads_total{result="rejected"}'


def ring(*keys: bytes) -> str:
    """A set of keys, the first one signs."""
    encoded = (b64encode(key, b"-_").rstrip(b"=").decode() for key in keys)
    return json.dumps({"keys": [{"kty": "oct", "k": key} for key in encoded]})


class Reloaded:
    """A gateway that has settings in files."""

    def __init__(self, gateway: GatewayProcess, files: dict[str, Path]) -> None:
        self.gateway = gateway
        self.files = files
        self._begin = 0

    @property
    def log(self) -> str:
        """What it has written in this test."""
        return self.gateway.log.read_text()[self._begin :]

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.splitlines()]
        return [line for line in lines if line["event"] == event]

    def change(self, **values: str) -> None:
        for name, value in values.items():
            self.files[name].write_text(value)

    def begin_anew(self, values: dict[str, str]) -> None:
        """For another test: these values in its files, and none of its lines of before."""
        before = {name: file.read_text() if file.exists() else "" for name, file in self.files.items()}
        self.change(**values)
        if before != values:
            self.reload()
        self._begin = len(self.gateway.log.read_text())

    def reload(self, event: str = "settings_reloaded", *, times: int = 1) -> dict[str, Any]:
        """Send SIGHUP, and wait for what comes of it."""
        before = len(self.told(event))
        self.gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(self.told(event)) == before + times, event)
        return self.told(event)[-1]

    def counted(self, sample: str) -> float:
        with Client(self.gateway.admin_port) as admin:
            text = admin.ask("GET", "/metrics", token=None).body.decode()
        return float(next(line for line in text.splitlines() if line.startswith(sample)).rpartition(" ")[2])


class Start(Protocol):
    def __call__(self, files: dict[str, str], **settings: Any) -> Reloaded: ...


USUAL = {
    "jwt_secret": SECRET,
    "trusted_origins": "",
    "trusted_proxies": "",
    "anonymous": "deny",
    "login_url": "",
    "header_count": "100",
    "head_bytes": "65536",
    "body_bytes": "0",
}


@pytest.fixture(scope="module")
def common_upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def common(common_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reloaded]:
    with reloadable(common_upstream, tmp_path_factory.mktemp("settings"), USUAL) as reloaded:
        yield reloaded


@pytest.fixture
def upstream(common_upstream: Upstream) -> Iterator[Upstream]:
    common_upstream.requests.clear()
    yield common_upstream
    common_upstream.forget()


@pytest.fixture
def reloaded(common: Reloaded) -> Iterator[Reloaded]:
    """The gateway of all tests that need no other: one that takes some settings from files."""
    common.begin_anew(USUAL)
    yield common
    check_health(common)


@contextmanager
def reloadable(
    upstream: Upstream, folder: Path, files: dict[str, str], **settings: Any
) -> Iterator[Reloaded]:
    places = {name: folder / name for name in files}
    variables = {f"POSTGATE_{name.upper()}_FILE": str(place) for name, place in places.items()}
    given = {**settings, **({"jwt_secret": ""} if "jwt_secret" in files else {})}
    for name, value in files.items():
        places[name].write_text(value)
    with gateway_process(upstream.url, environment=variables, **given) as gateway:
        yield Reloaded(gateway, places)


def check_health(reloaded: Reloaded) -> None:
    assert "Traceback" not in reloaded.log
    assert '"event":"internal_failed"' not in reloaded.log


@pytest.fixture
def start(upstream: Upstream, tmp_path: Path) -> Iterator[Start]:
    """Start a gateway that reads `files` from files, and ends well."""
    with ExitStack() as stack:

        def start(files: dict[str, str], **settings: Any) -> Reloaded:
            started = stack.enter_context(reloadable(upstream, tmp_path, files, **settings))
            stack.callback(check_health, started)
            return started

        yield start


def status(client: Client, token: str | None = VALID, *fields: str, method: str = "GET") -> int:
    client.send(request(method, "/rest/items", fields, token=token, body=b"" if method == "POST" else None))
    return client.answer(method).status


def test_a_new_ring_of_keys_counts_at_once_and_old_tokens_are_forgotten(
    reloaded: Reloaded, upstream: Upstream
) -> None:
    with upstream.serving():
        client = reloaded.gateway.client()
        assert [status(client, token) for token in (VALID, VALID, OTHERS)] == [200, 200, 401]
        reloaded.change(jwt_secret=ring(OTHER_KEY, KEY))
        told = reloaded.reload()
        assert (told["changed"], told["need_restart"]) == (["POSTGATE_JWT_SECRET"], [])
        assert [status(client, token) for token in (VALID, VALID, OTHERS, OTHERS)] == [200] * 4
        reloaded.change(jwt_secret=ring(OTHER_KEY))
        reloaded.reload()
        # The same bytes on the same connection, which were admitted a moment ago
        assert [status(client, token) for token in (OTHERS, VALID, VALID, OTHERS)] == [200, 401, 401, 200]
    log = reloaded.log
    assert not [secret for secret in (SECRET, OTHER_SECRET, KEY.hex()) if secret in log]


def test_a_head_that_was_just_admitted_is_looked_at_again(reloaded: Reloaded, upstream: Upstream) -> None:
    with upstream.serving():
        client = reloaded.gateway.client()
        assert [status(client) for _ in range(3)] == [200] * 3
        reloaded.change(jwt_secret=OTHER_SECRET)
        reloaded.reload()
        assert [status(client) for _ in range(3)] == [401] * 3


def test_rules_and_bounds_change_for_connections_that_are_open(
    reloaded: Reloaded, upstream: Upstream
) -> None:
    foreign, many = "Origin: https://two.example", [f"X-{number}: 1" for number in range(20)]
    page = "Accept: text/html"
    with upstream.serving():
        client = reloaded.gateway.client()
        assert status(client, VALID, foreign, method="POST") == 403
        assert status(client, None) == 401
        assert status(client, None, page, "Sec-Fetch-Mode: navigate") == 401
        assert status(client, VALID, *many) == 200
        status(client, VALID, "X-Forwarded-For: 203.0.113.9")
        reloaded.change(
            trusted_origins="https://two.example",
            trusted_proxies="127.0.0.1",
            anonymous="allow",
            login_url="/sign-in",
            header_count="10",
        )
        told = reloaded.reload()
        assert len(told["changed"]) == 5
        assert status(client, VALID, foreign, method="POST") == 200
        assert status(client, None) == 200
        assert status(client, VALID, *many) == 431
        other = reloaded.gateway.client()
        assert status(other, VALID, "X-Forwarded-For: 203.0.113.9") == 200
    forwarded = [received.head.values(b"x-forwarded-for") for received in upstream.requests]
    assert [b"127.0.0.1"] in forwarded
    assert forwarded[-1] == [b"203.0.113.9, 127.0.0.1"]


def test_the_peer_of_an_open_connection_may_become_a_trusted_proxy(
    reloaded: Reloaded, upstream: Upstream
) -> None:
    with upstream.serving():
        client = reloaded.gateway.client()
        for trusted in ("", "127.0.0.1", ""):
            reloaded.change(trusted_proxies=trusted)
            reloaded.reload()
            assert status(client, VALID, "X-Forwarded-For: 203.0.113.9") == 200
    told = [received.head.value(b"x-forwarded-for") for received in upstream.requests]
    assert told == [b"127.0.0.1", b"203.0.113.9, 127.0.0.1", b"127.0.0.1"]


def test_log_lines_change_their_form_and_their_number(start: Start, upstream: Upstream) -> None:
    reloaded = start({"log_requests": "false", "log_format": "json"})
    with upstream.serving():
        client = reloaded.gateway.client()
        status(client)
        reloaded.change(log_requests="true")
        reloaded.reload()
        status(client)
        wait_until(lambda: reloaded.told("request_relayed"), "a line")
        reloaded.change(log_format="text")
        reloaded.gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "settings_reloaded changed=" in reloaded.log, "words")
    log = reloaded.log
    assert log.count('"event":"request_relayed"') == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"jwt_secret": "short"}, "POSTGATE_JWT_SECRET"),
        ({"jwt_secret": OTHER_SECRET, "login_url": "//evil.example"}, "POSTGATE_LOGIN_URL"),
        ({"jwt_secret": OTHER_SECRET, "head_bytes": "many"}, "POSTGATE_HEAD_BYTES"),
    ],
)
def test_settings_that_do_not_fit_change_nothing_at_all(
    reloaded: Reloaded, upstream: Upstream, change: dict[str, str], problem: str
) -> None:
    before = reloaded.counted(REJECTED)
    with upstream.serving():
        client = reloaded.gateway.client()
        assert status(client) == 200
        reloaded.change(**change)
        told = reloaded.reload("settings_rejected")
        assert any(line.startswith(problem) for line in told["problems"])
        assert not [value for value in change.values() if value in json.dumps(told)]
        assert [status(client, token) for token in (VALID, OTHERS)] == [200, 401]
        assert reloaded.counted(REJECTED) == before + 1


def test_a_file_that_is_gone_changes_nothing(reloaded: Reloaded, upstream: Upstream) -> None:
    reloaded.files["jwt_secret"].unlink()
    told = reloaded.reload("settings_rejected")
    assert (
        told["problems"][0]
        == "POSTGATE_JWT_SECRET_FILE names a file that cannot be read: No such file or directory"
    )
    with upstream.serving():
        assert status(reloaded.gateway.client()) == 200


def test_what_needs_a_restart_is_named_and_stays_as_it_is(start: Start, upstream: Upstream) -> None:
    reloaded = start({"access_cookie": "access_token", "database_seconds": "5", "anonymous": "deny"})
    reloaded.change(access_cookie="other", database_seconds="6", anonymous="allow")
    for _ in range(2):
        told = reloaded.reload()
        assert told["need_restart"] == ["POSTGATE_DATABASE_SECONDS", "POSTGATE_ACCESS_COOKIE"]
    assert [line["changed"] for line in reloaded.told("settings_reloaded")] == [["POSTGATE_ANONYMOUS"], []]
    with upstream.serving():
        assert status(reloaded.gateway.client(), VALID, method="POST") == 200  # by the cookie's old name


def test_requests_that_are_under_way_end_as_they_began(start: Start, upstream: Upstream) -> None:
    routes = f"/live/ {upstream.url} required websocket"
    reloaded = start({"jwt_secret": SECRET, "body_bytes": "0"}, routes=routes)
    waiting, end = reloaded.gateway.client(), None
    waiting.send(request("GET", "/rest/items"))
    end = upstream.accept()
    end.request()
    sending = reloaded.gateway.client()
    sending.send(request("POST", "/rest/items", ["Content-Length: 8"]) + b"1234")
    taking = upstream.accept()
    taking.head()
    tunnel = reloaded.gateway.client()
    tunnel.send(request("GET", "/live/feed", HANDSHAKE))
    far = upstream.accept()
    far.head()
    far.send(AGREED)
    tunnel.take_until(b"\r\n\r\n")
    reloaded.change(jwt_secret=OTHER_SECRET, body_bytes="1")
    reloaded.reload()
    end.send(OK)
    assert waiting.answer().status == 200
    sending.send(b"5678")
    taking.take(8)
    taking.send(OK)
    assert sending.answer().status == 200
    tunnel.send(b"still here")
    assert far.take(10) == b"still here"
    assert status(waiting) == 401


def test_no_request_is_lost_while_it_reloads_again_and_again(reloaded: Reloaded, upstream: Upstream) -> None:
    over = Event()
    statuses: list[list[int]] = []

    def ask(client: Client) -> None:
        mine: list[int] = []
        statuses.append(mine)
        while not over.is_set():
            try:
                mine.append(status(client, mint(jti=str(len(mine)))))
            except AnswerCut:
                mine.append(0)
                return

    with upstream.serving(answering(OK)):
        clients = [reloaded.gateway.client() for _ in range(8)]
        threads = [Thread(target=ask, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for number in range(10):
            keys = (KEY, OTHER_KEY) if number % 2 else (OTHER_KEY, KEY)
            reloaded.change(jwt_secret=ring(*keys))
            reloaded.reload()
        wait_until(lambda: sum(map(len, statuses)) > 200, "some more", seconds=START_SECONDS)
        over.set()
        for thread in threads:
            thread.join()
    assert {one for mine in statuses for one in mine} == {200}


def test_every_worker_reloads_and_one_that_is_replaced_later_too(start: Start, upstream: Upstream) -> None:
    reloaded = start({"jwt_secret": SECRET}, workers=2)
    wait_until(lambda: len(reloaded.told("listening")) == 2, "both workers", seconds=START_SECONDS)
    reloaded.change(jwt_secret=OTHER_SECRET)
    reloaded.reload(times=2)
    with upstream.serving():
        seen = [status(reloaded.gateway.client(), token) for token in (VALID, OTHERS) for _ in range(8)]
        assert seen == [401] * 8 + [200] * 8
        for told in reloaded.told("listening"):
            os.kill(told["pid"], signal.SIGKILL)
        wait_until(lambda: len(reloaded.told("listening")) == 4, "two others", seconds=START_SECONDS)
        seen = [status(reloaded.gateway.client(), token) for token in (VALID, OTHERS) for _ in range(8)]
        assert seen == [401] * 8 + [200] * 8
    assert [told["status"] for told in reloaded.told("worker_exited")] == [-9, -9]


def test_a_hangup_while_the_workers_start_ends_none_of_them(start: Start) -> None:
    reloaded = start({"jwt_secret": SECRET}, workers=2)
    for _ in range(5):
        reloaded.gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(reloaded.told("listening")) == 2, "both workers", seconds=START_SECONDS)
    wait_until(lambda: reloaded.told("settings_reloaded"), "a reload")
    assert reloaded.gateway.process.poll() is None
    assert not reloaded.told("worker_exited")


def test_a_stranger_learns_nothing_new(reloaded: Reloaded, upstream: Upstream) -> None:
    with upstream.serving():
        reloaded.reload()
        assert status(reloaded.gateway.client(), EXPIRED) == 401
