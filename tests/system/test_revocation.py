"""A session that ends is refused at once by every worker of every gateway; no request asks the database."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pytest
from conftest import MakeStack
from harness.relay.client import Client
from harness.relay.deadlines import wait_until
from harness.sessions import BEGIN_SESSION
from harness.site.curl import Curl
from harness.site.gateways import NewGateway, StartGateway
from harness.site.process import GatewayProcess
from harness.site.site import Site

from app.devstack import Database, Prepare

GATEWAYS = 2
WORKERS = 2
SESSIONS = 15
HEARD_SECONDS = 0.1
JSON = ("-H", "Content-Type: application/json")
ACCOUNT = (*JSON, "-H", "Content-Profile: auth")
LOGIN = (*JSON, "-d", '{"user_":"demo","pass":"demo"}')
BUSY = """
select application_name, max(query_start) from pg_stat_activity
 where application_name = 'postgate' and datname = current_database() group by 1
"""


@dataclass
class Workers:
    """A connection to each worker of each gateway."""

    ports: list[int]
    lines: list[Client] = field(default_factory=list)

    def find(self, token: str) -> None:
        """Open connections until each worker has one: its request ids begin with a name of its own."""
        for port in self.ports:
            found: dict[bytes, Client] = {}
            wait_until(lambda: self._look(port, token, found), "a connection to each worker", seconds=60)  # noqa: B023
            self.lines.extend(found.values())

    def _look(self, port: int, token: str, found: dict[bytes, Client]) -> bool:
        """Several at once: one after the other they may all go to the same worker."""
        for client in [Client(port) for _ in range(4 * WORKERS)]:
            answer = client.ask("GET", "/rest/notice", token=token)
            name = answer.head.value(b"x-request-id").partition(b"-")[0]
            if found.setdefault(name, client) is not client:
                client.close()
        return len(found) == WORKERS

    def statuses(self, token: str) -> list[int]:
        return [line.ask("GET", "/rest/notice", token=token).status for line in self.lines]


@pytest.fixture(scope="module")
def workers(site: Site, start_gateway: StartGateway) -> Iterator[Workers]:
    with ExitStack() as stack:
        gateways = [
            stack.enter_context(start_gateway(site.environ, workers=str(WORKERS))) for _ in range(GATEWAYS)
        ]
        found = Workers([gateway.port for gateway in gateways])
        found.find(site.token())
        yield found
        for line in found.lines:
            line.close()


def begin(database: Database) -> str:
    """A session, as a login makes it."""
    (row,) = database.fetch(BEGIN_SESSION, "demo")
    return str(row["session"])


def end(database: Database, session: str) -> None:
    assert database.fetch("select auth_private.end_session($1, 'test')", session)[0][0]


def test_every_worker_hears_of_it_within_a_tenth_of_a_second(site: Site, workers: Workers) -> None:
    times = []
    for session in [begin(site.database) for _ in range(SESSIONS)]:
        token = site.token(sid=session)
        assert workers.statuses(token) == [200] * GATEWAYS * WORKERS
        began = time.perf_counter()
        end(site.database, session)
        wait_until(lambda: workers.statuses(token) == [401] * GATEWAYS * WORKERS, "all to refuse it")  # noqa: B023
        times.append(time.perf_counter() - began)
    assert median(times) < HEARD_SECONDS


def test_no_request_asks_the_database(site: Site, workers: Workers) -> None:
    token = site.token(sid=begin(site.database))
    workers.statuses(token)
    before = site.database.fetch(BUSY)
    for _ in range(100):
        assert workers.statuses(token) == [200] * GATEWAYS * WORKERS
    assert site.database.fetch(BUSY) == before


def test_another_session_of_the_same_user_goes_on(site: Site, workers: Workers) -> None:
    mine, other = (site.token(sid=(begin(site.database))) for _ in range(2))
    (row,) = site.database.fetch("select id::text from auth.session order by created_at desc limit 1")
    end(site.database, str(row[0]))
    wait_until(lambda: 200 not in workers.statuses(other), "the last one to be refused")
    assert workers.statuses(mine) == [200] * GATEWAYS * WORKERS


class TestWhatEndsASession:
    """Each is done by a visitor of one gateway, and seen at the other."""

    @pytest.fixture
    def here(self, workers: Workers, tmp_path: Path) -> Curl:
        curl = Curl(f"http://127.0.0.1:{workers.ports[0]}", tmp_path / "here")
        assert curl("/rpc/login", *LOGIN).status == 204
        return curl

    @pytest.fixture
    def there(self, workers: Workers, tmp_path: Path) -> Curl:
        curl = Curl(f"http://127.0.0.1:{workers.ports[1]}", tmp_path / "there")
        assert curl("/rpc/login", *LOGIN).status == 204
        return curl

    @pytest.mark.parametrize(
        ("name", "seen"),
        [
            ("logout", (401, 200)),
            ("logout_others", (200, 401)),
            ("logout_all", (401, 401)),
        ],
    )
    def test_logout_in_its_three_forms(
        self, here: Curl, there: Curl, workers: Workers, name: str, seen: tuple[int, int]
    ) -> None:
        tokens = here.jar["access_token"], there.jar["access_token"]
        assert here(f"/rpc/{name}", *ACCOUNT, "-d", "{}").status == 204
        wait_until(
            lambda: [set(workers.statuses(token)) for token in tokens] == [{status} for status in seen],
            "every worker to see it so",
        )

    def test_ending_one_from_the_list(self, here: Curl, there: Curl, workers: Workers) -> None:
        token = there.jar["access_token"]
        answer = there("/rpc/sessions", *ACCOUNT, "-d", "{}")
        assert answer.status == 200
        (session,) = [entry for entry in json.loads(answer.body) if entry["is_current"]]
        assert session["address"] == "127.0.0.1"
        assert session["user_agent"].startswith("curl/")
        body = f'{{"id":"{session["id"]}"}}'
        assert here("/rpc/end_session", *ACCOUNT, "-d", body).status == 204
        wait_until(lambda: set(workers.statuses(token)) == {401}, "every worker to refuse it")
        assert there("/rest/notice").status == 401

    def test_a_stranger_has_no_sessions(self, workers: Workers, tmp_path: Path) -> None:
        stranger = Curl(f"http://127.0.0.1:{workers.ports[0]}", tmp_path / "stranger")
        assert stranger("/rpc/sessions", *ACCOUNT, "-d", "{}").refusal == (401, "PT401")


class TestOutages:
    """On a database of one's own, to stop and start."""

    def test_what_ended_is_remembered_over_restarts_of_postgres_and_of_the_gateway(
        self, make_stack: MakeStack, prepare: Prepare, new_gateway: NewGateway, tmp_path: Path
    ) -> None:
        with make_stack(tmp_path / "stack", prepare=prepare) as stack:
            gateway = new_gateway(stack.gateway_environ())
            gateway.start()
            url = gateway.url
            first, second, third = (signed_in(url, tmp_path / str(n)) for n in range(3))
            tokens = [curl.jar["access_token"] for curl in (first, second, third)]
            assert first("/rpc/logout", "-X", "POST").status == 204

            stack.postgres.restart()
            wait_until(
                lambda: "revocations_connected" in gateway.output.rpartition("revocations_disconnected")[2],
                "it to listen again",
            )
            assert [asked(gateway, token) for token in tokens] == [401, 200, 200]
            assert second("/rpc/logout", "-X", "POST").status == 204
            wait_until(lambda: asked(gateway, tokens[1]) == 401, "news after the restart")

            gateway.stop()
            gateway.start()
            assert [asked(gateway, token) for token in tokens] == [401, 401, 200]
            gateway.stop()

    @pytest.mark.parametrize(("choice", "status"), [("serve", 200), ("refuse", 503)])
    def test_without_news_one_is_served_or_refused_as_it_is_set(
        self, site: Site, new_gateway: NewGateway, choice: str, status: int
    ) -> None:
        lost: Mapping[str, str] = {
            **site.environ,
            "POSTGATE_DATABASE_URL": "postgresql://gateway@127.0.0.1:1/x",
        }
        gateway = new_gateway(lost, revocation_outage=choice)
        gateway.start(ready=False)
        assert asked(gateway, site.token(sid=begin(site.database))) == status
        assert asked(gateway, site.token()) == 200
        gateway.stop()


def signed_in(url: str, folder: Path) -> Curl:
    curl = Curl(url, folder)
    assert curl("/rpc/login", *LOGIN).status == 204
    return curl


def asked(gateway: GatewayProcess, token: str) -> int:
    client = Client(gateway.port)
    status = client.ask("GET", "/rest/notice", token=token).status
    client.close()
    return status


def test_who_signs_out_is_signed_out_with_the_answer(site: Site, tmp_path: Path) -> None:
    """Not a moment later: the gateway that ends a session does not wait to be told of it."""
    for number in range(10):
        curl = signed_in(site.url, tmp_path / str(number))
        token = curl.jar["access_token"]
        client = Client(site.gateway.port)
        assert client.ask("GET", "/rest/notice", token=token).status == 200
        assert client.ask("POST", "/rpc/logout", token=token).status == 204
        assert client.ask("GET", "/rest/notice", token=token).status == 401
        client.close()
