"""WebSockets through to a second service, spoken by a library that both ends use in production."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from harness.relay.deadlines import PATIENCE_SECONDS, wait_until
from harness.relay.gateway import RunningGateway, running_gateway, settings_for
from harness.relay.tokens import EXPIRED, OTHER_VALID, VALID
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Origin, Subprotocol

ANSWERS_SECONDS = 5
MEGABYTE = bytes(range(256)) * 4096
TRUSTED = Origin("https://app.test")
CHAT = Subprotocol("chat.v2")
REFUSALS = {"/live/refused": (403, "not you"), "/live/moved": (404, "not here")}
Handler = Callable[[ServerConnection], None]


class Service:
    """The second service. It echoes, unless its path says something else."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.handled: list[ServerConnection] = []
        self.closed: list[tuple[int | None, str]] = []
        self._handlers: dict[str, Handler] = {
            "/live/close": lambda end: end.close(4001, "go away"),
            "/live/send": lambda end: end.send(MEGABYTE),
            "/live/ask": self._ask,
            "/live/vanish": lambda end: end.socket.close(),
        }
        self.server: Server = serve(
            self._handle,
            "127.0.0.1",
            0,
            process_request=self._process,
            select_subprotocol=lambda _, offered: CHAT if CHAT in offered else None,
            compression=None,
            max_size=None,
            close_timeout=ANSWERS_SECONDS,
        )
        self.port: int = self.server.socket.getsockname()[1]

    def _process(self, end: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        refusal = REFUSALS.get(request.path)
        return end.respond(*refusal) if refusal is not None else None

    def _handle(self, end: ServerConnection) -> None:
        assert end.request is not None
        self.handled.append(end)
        try:
            self._handlers.get(end.request.path, self._echo)(end)
            said = end.close_code, end.close_reason or ""
        except ConnectionClosed as closed:  # the connection itself may not know its code yet
            said = (1006, "") if closed.rcvd is None else (closed.rcvd.code, closed.rcvd.reason)
        self.closed.append(said)
        self.handled.remove(end)

    def _echo(self, end: ServerConnection) -> None:
        for message in end:
            end.send(message)

    def _ask(self, end: ServerConnection) -> None:
        """Ping from this side; the client's library answers."""
        end.send("alive" if end.ping().wait(ANSWERS_SECONDS) else "dead")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever, daemon=True)
    thread.start()
    yield service
    service.server.shutdown()
    thread.join(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def gateway(service: Service) -> Iterator[RunningGateway]:
    url = f"http://127.0.0.1:{service.port}"
    routes = f"/live/ {url} required websocket, /open/ {url} none websocket, /files/ {url} required"
    with running_gateway(settings_for(url, routes=routes, trusted_origins=TRUSTED)) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _nothing_is_left(gateway: RunningGateway, service: Service) -> Iterator[None]:
    service.requests.clear()
    wait_until(lambda: not service.handled, "the service to see the ends of earlier tests")
    service.closed.clear()
    yield
    wait_until(lambda: gateway.is_quiet, "every tunnel to end")


@contextmanager
def opened(
    gateway: RunningGateway,
    path: str = "/live/echo",
    *,
    token: str | None = VALID,
    origin: Origin | None = None,
    subprotocols: list[Subprotocol] | None = None,
) -> Iterator[ClientConnection]:
    with connect(
        f"ws://127.0.0.1:{gateway.port}{path}",
        additional_headers={"Cookie": f"theme=dark; access_token={token}"} if token else None,
        origin=origin,
        subprotocols=subprotocols,
        compression=None,
        max_size=None,
        proxy=None,
        open_timeout=ANSWERS_SECONDS,
        close_timeout=ANSWERS_SECONDS,
    ) as client:
        yield client


def refusal(
    gateway: RunningGateway,
    path: str = "/live/echo",
    *,
    token: str | None = VALID,
    origin: Origin | None = None,
) -> Response:
    with pytest.raises(InvalidStatus) as caught, opened(gateway, path, token=token, origin=origin):
        pass
    return caught.value.response


def test_what_is_said_comes_back(gateway: RunningGateway) -> None:
    with opened(gateway) as client:
        for said in ("hello", "", "żółć", b"\x00\xff", b""):
            client.send(said)
            assert client.recv(ANSWERS_SECONDS) == said


def test_a_megabyte_crosses_both_ways_at_once(gateway: RunningGateway) -> None:
    with opened(gateway) as client, ThreadPoolExecutor(1) as sender:
        sending = sender.map(client.send, [MEGABYTE] * 4)
        got = [client.recv(ANSWERS_SECONDS) for _ in range(4)]
        assert len(list(sending)) == 4
    assert got == [MEGABYTE] * 4


def test_a_message_in_fragments_stays_one_message(gateway: RunningGateway) -> None:
    with opened(gateway) as client:
        client.send([b"one ", b"two ", b"three"])
        assert client.recv(ANSWERS_SECONDS) == b"one two three"


def test_a_service_may_speak_first(gateway: RunningGateway) -> None:
    with opened(gateway, "/live/send") as client:
        assert client.recv(ANSWERS_SECONDS) == MEGABYTE


def test_a_ping_of_either_side_is_answered_by_the_other(gateway: RunningGateway) -> None:
    with opened(gateway) as client:
        assert client.ping(b"are you there").wait(ANSWERS_SECONDS)
    with opened(gateway, "/live/ask") as client:
        assert client.recv(ANSWERS_SECONDS) == "alive"


def test_a_close_code_reaches_the_service(gateway: RunningGateway, service: Service) -> None:
    with opened(gateway) as client:
        client.close(4242, "enough")
        wait_until(lambda: service.closed, "the service to see the close")
    assert service.closed == [(4242, "enough")]


def test_a_close_code_reaches_the_client(gateway: RunningGateway) -> None:
    with opened(gateway, "/live/close") as client, pytest.raises(ConnectionClosed) as caught:
        client.recv(ANSWERS_SECONDS)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4001, "go away")


def test_a_service_that_vanishes_is_not_a_good_bye(gateway: RunningGateway) -> None:
    with opened(gateway, "/live/vanish") as client, pytest.raises(ConnectionClosed) as caught:
        client.recv(ANSWERS_SECONDS)
    assert caught.value.rcvd is None


def test_a_client_that_vanishes_is_not_a_good_bye(gateway: RunningGateway, service: Service) -> None:
    with opened(gateway) as client:
        client.send("hello")
        client.recv(ANSWERS_SECONDS)
        client.socket.close()
        wait_until(lambda: service.closed, "the service to see the end")
    assert service.closed == [(1006, "")]


def test_the_subprotocol_is_agreed_between_the_ends(gateway: RunningGateway) -> None:
    with opened(gateway, subprotocols=[Subprotocol("chat.v1"), CHAT]) as client:
        assert client.subprotocol == CHAT


def test_many_at_once_keep_to_themselves(gateway: RunningGateway) -> None:
    count, rounds = 40, 5

    def talk(number: int) -> list[str | bytes]:
        with opened(gateway) as client:
            for turn in range(rounds):
                client.send(f"{number}.{turn}")
            return [client.recv(ANSWERS_SECONDS) for _ in range(rounds)]

    with ThreadPoolExecutor(count) as pool:
        got = list(pool.map(talk, range(count)))
    assert got == [[f"{number}.{turn}" for turn in range(rounds)] for number in range(count)]


def test_the_service_learns_who_it_is_and_never_the_session_cookie(
    gateway: RunningGateway, service: Service
) -> None:
    with opened(gateway, token=OTHER_VALID):
        pass
    headers = service.requests[0].headers
    assert headers["Authorization"] == f"Bearer {OTHER_VALID}"
    assert headers["Cookie"] == "theme=dark"
    assert headers["X-Forwarded-Proto"] == "http"


@pytest.mark.parametrize("token", [None, EXPIRED, "nonsense"], ids=["none", "expired", "nonsense"])
def test_without_a_session_it_is_401(gateway: RunningGateway, service: Service, token: str | None) -> None:
    assert refusal(gateway, token=token).status_code == 401
    assert not service.requests


def test_an_open_route_needs_no_session(gateway: RunningGateway, service: Service) -> None:
    with opened(gateway, "/open/echo", token=None) as client:
        client.send("hello")
        assert client.recv(ANSWERS_SECONDS) == "hello"
    assert "Authorization" not in service.requests[0].headers


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "https://app.test.evil.test"])
def test_a_page_of_another_site_opens_nothing_with_the_cookie(
    gateway: RunningGateway, service: Service, origin: Origin
) -> None:
    assert refusal(gateway, origin=origin).status_code == 403
    assert not service.requests


def test_a_page_of_a_trusted_or_of_the_own_origin_opens_one(gateway: RunningGateway) -> None:
    for origin in (TRUSTED, Origin(f"http://127.0.0.1:{gateway.port}")):
        with opened(gateway, origin=origin) as client:
            client.send(origin)
            assert client.recv(ANSWERS_SECONDS) == origin


@pytest.mark.parametrize("path", ["/files/echo", "/rest/echo", "/rpc/echo"])
def test_a_route_without_websockets_is_400(gateway: RunningGateway, service: Service, path: str) -> None:
    assert refusal(gateway, path).status_code == 400
    assert not service.requests


@pytest.mark.parametrize("path", REFUSALS)
def test_what_the_service_refuses_is_refused_in_its_words(gateway: RunningGateway, path: str) -> None:
    response = refusal(gateway, path)
    assert (response.status_code, bytes(response.body).decode()) == REFUSALS[path]


def test_a_service_that_is_away_is_502(gateway: RunningGateway) -> None:
    url = "http://127.0.0.1:1"
    with running_gateway(settings_for(url, routes=f"/live/ {url} required websocket")) as lonely:
        assert refusal(lonely).status_code == 502
