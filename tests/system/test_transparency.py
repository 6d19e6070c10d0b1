"""PostgREST's own requests, straight and through the gateway: nothing a client can see may differ.

The corpus lies in `transparency/*.http`, its tables in `transparency/schema.sql`. What the gateway changes
in an answer is listed here, in `end_to_end`, and nowhere else.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncpg
import pytest
from harness.relay.answers import Answer, AnswerReader
from harness.site.client import Field, ask, connect, request_bytes
from harness.site.corpus import CorpusRequest, read_corpus
from harness.site.gateways import StartGateway
from harness.site.site import Site

from app.devstack import Database, DevStack

pytestmark = pytest.mark.xdist_group("transparency")  # one worker makes the site

FOLDER = Path(__file__).with_name("transparency")
CORPUS = read_corpus(FOLDER)
FUNCTIONS = [request for request in CORPUS if request.target.startswith("/rpc/")]
LARGE_ROWS = 20_000

# RFC 9110 section 7.6.1: of one hop. Date is the clock's
OF_ONE_HOP = {b"connection", b"transfer-encoding", b"date"}
# The gateway's own to say, whatever PostgREST says of them
REQUEST_ID = b"x-request-id"
CORS = b"access-control-"
# Added to what a signed-in client gets, unless PostgREST has spoken of caching itself
CACHING = "cache-control"
PRIVATE = [("Cache-Control", "private"), ("Vary", "Cookie")]
# Added by the gateway, unless SQL has set them itself
PROTECTION = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Content-Security-Policy", "frame-ancestors 'self'"),
]
# Left out by it: a name and a version
SERVER = b"server"
# As they lead there from outside, on /rest/; what functions write stays
LOCATIONS = {"location", "content-location"}
DURATION = re.compile(rb"dur=[0-9.e-]+")


@dataclass
class Tables:
    """What is stored: brought back to its first state, and looked at."""

    database: Database
    _runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def __post_init__(self) -> None:
        self._connection: asyncpg.Connection[asyncpg.Record] = self._runner.run(
            asyncpg.connect(self.database.owner_dsn)
        )

    def reset(self) -> None:
        self._runner.run(self._connection.execute("select vault.reset()"))

    def snapshot(self) -> str:
        return str(self._runner.run(self._connection.fetchval("select vault.snapshot()")))

    def close(self) -> None:
        self._runner.run(self._connection.close())
        self._runner.close()


@pytest.fixture(scope="module")
def library(stack: DevStack, start_gateway: StartGateway) -> Iterator[Site]:
    """The corpus's tables, a PostgREST on a Unix socket with everything switched on, a gateway."""
    options = replace(
        stack.options,
        schemas=("lib", "shop"),
        listen="unix",
        environ={
            "PGRST_DB_PLAN_ENABLED": "true",
            "PGRST_DB_AGGREGATES_ENABLED": "true",
            "PGRST_DB_TX_END": "commit-allow-override",
            "PGRST_SERVER_TIMING_ENABLED": "true",
            "PGRST_SERVER_TRACE_HEADER": "X-Request-Id",
        },
    )
    with stack.fresh_database() as database:
        database.execute((FOLDER / "schema.sql").read_text())
        postgrest = stack.start_postgrest(options, database=database)
        behind = {
            **stack.gateway_environ(),
            "POSTGATE_DATABASE_URL": database.gateway_dsn,
            "POSTGATE_POSTGREST_URL": postgrest.url,
        }
        with start_gateway(behind) as gateway:
            yield Site(gateway, postgrest, database, stack.jwt_secret, behind)
        postgrest.stop()


@pytest.fixture(scope="module")
def tables(library: Site) -> Iterator[Tables]:
    tables = Tables(library.database)
    yield tables
    tables.close()


@pytest.fixture(scope="module")
def token(library: Site) -> str:
    return library.token(role="corpus_reader", sub="corpus")


@dataclass(frozen=True)
class Visible:
    """What of an answer belongs to the two ends."""

    status: int
    fields: list[Field]
    body: bytes


def end_to_end(answer: Answer) -> Visible:
    fields = [
        (name.decode("latin-1"), DURATION.sub(b"dur=?", value).decode("latin-1"))
        for name, value in answer.head.fields
        if name.lower() not in {*OF_ONE_HOP, REQUEST_ID, SERVER} and not name.lower().startswith(CORS)
    ]
    return Visible(answer.status, fields, answer.body)


def as_expected(answer: Answer, target: str, prefix: str = "/rest") -> Visible:
    """What a signed-in client must see of an answer that PostgREST gave to this target behind a prefix."""
    seen = end_to_end(answer)
    moved = [
        (name, prefix + value if name.lower() in LOCATIONS and not target.startswith("/rpc/") else value)
        for name, value in seen.fields
    ]
    present = {name.lower() for name, _ in moved}
    added = [(name, value) for name, value in PROTECTION if name.lower() not in present]
    return replace(seen, fields=moved + added + ([] if CACHING in present else PRIVATE))


def straight(library: Site, request: CorpusRequest, token: str) -> Answer:
    fields = (("Authorization", f"Bearer {token}"), *request.fields)
    return ask(library.postgrest.url, request.method, request.target, fields, request.body)


def as_bytes(request: CorpusRequest, token: str, *, prefix: str) -> bytes:
    """The same with the session in a cookie, beside the cookies that the request has anyway."""
    others = "".join(f"; {value}" for name, value in request.fields if name == "Cookie")
    fields = (
        ("Cookie", f"access_token={token}{others}"),
        *(found for found in request.fields if found[0] != "Cookie"),
    )
    return request_bytes(request.method, prefix + request.target, fields, request.body)


def through(library: Site, request: CorpusRequest, token: str, *, prefix: str = "/rest") -> Answer:
    with connect(library.url) as wire:
        wire.send(as_bytes(request, token, prefix=prefix))
        return AnswerReader(wire, request.method).whole()


def assert_same(library: Site, tables: Tables, token: str, request: CorpusRequest, *, prefix: str) -> None:
    """The same answer, and the same effect on what is stored."""
    if request.writes:
        tables.reset()
    expected = as_expected(straight(library, request, token), request.target, prefix)
    stored = tables.snapshot() if request.writes else ""
    if request.writes:
        tables.reset()
    answer = through(library, request, token, prefix=prefix)
    assert end_to_end(answer) == expected
    assert len(answer.head.value(REQUEST_ID)) > 0
    assert not request.writes or tables.snapshot() == stored


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) >= 300
    assert len({(r.method, r.target, r.fields, r.body) for r in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("request_", CORPUS, ids=lambda request: request.title)
def test_the_answer_is_the_same(library: Site, tables: Tables, token: str, request_: CorpusRequest) -> None:
    assert_same(library, tables, token, request_, prefix="/rest")


@pytest.mark.parametrize("request_", FUNCTIONS, ids=lambda request: request.title)
def test_functions_answer_the_same_without_the_prefix(
    library: Site, tables: Tables, token: str, request_: CorpusRequest
) -> None:
    assert_same(library, tables, token, request_, prefix="")


def test_one_connection_carries_them_all(library: Site, token: str) -> None:
    """Answers of every framing, one after the other: none is cut short or runs into the next."""
    reads = [request for request in CORPUS if not request.writes]
    with connect(library.url) as wire:
        for request in reads:
            wire.send(as_bytes(request, token, prefix="/rest"))
            answer = AnswerReader(wire, request.method).whole()
            assert end_to_end(answer) == as_expected(straight(library, request, token), request.target), (
                request.title
            )


@pytest.mark.parametrize("framing", [(), (("Transfer-Encoding", "chunked"),)], ids=["sized", "chunked"])
def test_a_bulk_insert_of_a_megabyte(
    library: Site, tables: Tables, token: str, framing: tuple[Field, ...]
) -> None:
    rows = json.dumps([{"id": number, "name": f"{number:->40}"} for number in range(100, LARGE_ROWS)])
    fields = (("Content-Type", "application/json"), ("Prefer", "return=representation"), *framing)
    request = CorpusRequest("bulk", "POST", "/label", fields, rows.encode())
    assert len(rows) > 1_000_000
    assert_same(library, tables, token, request, prefix="/rest")


@pytest.mark.parametrize(("role", "status"), [("nobody_at_all", 400), ("signed_in", 403), ("anon", 401)])
def test_what_postgrest_says_of_a_role_crosses(library: Site, role: str, status: int) -> None:
    token = library.token(role=role)
    request = CorpusRequest("role", "GET", "/book", (), None)
    expected = as_expected(straight(library, request, token), request.target)
    assert expected.status == status
    assert end_to_end(through(library, request, token)) == expected
