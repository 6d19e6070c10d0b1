"""The scenarios: each is one function, with an entry in the table below.

A scenario measures one peer once; rounds.py repeats and compares.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.bed import Bed, Upstream
from bench.figures import Sample
from bench.guesses import GUESSES, guess
from bench.guesses import check as check_guesses
from bench.idle import CONNECTIONS, hold_idle
from bench.load import Load, run_wrk
from bench.peers.peer import Kind, Running
from bench.postgrest import limited_upstream, postgrest_upstream
from bench.process import cpu_seconds
from bench.sink import sink_upstream
from bench.streams import stream_down, stream_up
from bench.upstream import static_upstream

TOKENS = 1000
BODY_BYTES = 1024
READERS = 16
STORM = 32


@dataclass(frozen=True)
class Effort:
    """The load of a run."""

    connections: int
    seconds: int


@dataclass(frozen=True)
class Figure:
    """A column: the key in the sample, the title, the number of decimals."""

    key: str
    title: str
    digits: int = 0


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    about: str
    figures: tuple[Figure, ...]
    measure: Callable[[Bed, Running, Effort], Sample]
    compared: str = ""
    warm: bool = True
    kinds: frozenset[Kind] = frozenset({"gateway", "floor"})
    cores_apart: bool = True
    upstream: Callable[[Path, str], AbstractContextManager[Upstream]] = static_upstream


def _loaded(peer: Running, load: Load, effort: Effort) -> Sample:
    before = cpu_seconds(peer.pid)
    counted = run_wrk(load, port=peer.port, connections=effort.connections, seconds=effort.seconds)
    cpu = cpu_seconds(peer.pid) - before
    figures = {
        "rate": counted.requests / counted.seconds,
        "p50_ms": counted.p50_us / 1e3,
        "p99_ms": counted.p99_us / 1e3,
    }
    if peer.pid:
        figures["cpu_us"] = cpu / counted.requests * 1e6
        figures["busy"] = cpu / counted.seconds * 100
    return figures


def get(bed: Bed, peer: Running, effort: Effort) -> Sample:
    return _loaded(peer, Load(peer.prefix + bed.upstream.path, peer.headers), effort)


def get_many(bed: Bed, peer: Running, effort: Effort) -> Sample:
    tokens = bed.folder / "tokens"
    if not tokens.is_file():
        tokens.write_text("\n".join(bed.token(f"user-{n}") for n in range(TOKENS)) + "\n")
    return _loaded(peer, Load(peer.prefix + bed.upstream.path, token_file=tokens), effort)


def post(bed: Bed, peer: Running, effort: Effort) -> Sample:
    # browsers send Origin with every POST, and a gateway may require it
    headers = {**peer.headers, "Origin": peer.origin, "Content-Type": "application/json"}
    body = json.dumps({"title": "x" * (BODY_BYTES - len('{"title": ""}'))})
    return _loaded(peer, Load(peer.prefix + bed.upstream.path, headers, "POST", body), effort)


def refused(bed: Bed, peer: Running, effort: Effort) -> Sample:
    headers = {"Cookie": f"access_token={bed.forged_token()}"}
    load = Load(peer.prefix + bed.upstream.path, headers, expect_rejection=True)
    return _loaded(peer, load, effort)


def get_with_both(bed: Bed, peer: Running, effort: Effort) -> Sample:
    """A valid access token in each request. The heads differ, so no head cache helps."""
    tokens = bed.folder / "pairs"
    if not tokens.is_file():
        both = (f"{bed.token(f'user-{n}')}; refresh_token={n:043}" for n in range(10 * TOKENS))
        tokens.write_text("\n".join(both) + "\n")
    return _loaded(peer, Load(peer.prefix + bed.upstream.path, token_file=tokens), effort)


def login_storm(bed: Bed, peer: Running, effort: Effort) -> Sample:
    headers = {"Content-Type": "application/json", "Content-Profile": "auth", "Origin": peer.origin}
    login = Load("/rpc/login", headers, "POST", '{"user_":"demo","pass":"demo"}')
    read = Load(peer.prefix + bed.upstream.path, peer.headers)
    seconds = 2 * effort.seconds  # a sign-in takes long, and reads beside it may be few
    with ThreadPoolExecutor(2) as pool:
        storm = pool.submit(run_wrk, login, port=peer.port, connections=STORM, seconds=seconds)
        calm = pool.submit(run_wrk, read, port=peer.port, connections=READERS, seconds=seconds)
        logins, reads = storm.result(), calm.result()
    return {
        "rate": reads.requests / reads.seconds,
        "p50_ms": reads.p50_us / 1e3,
        "p99_ms": reads.p99_us / 1e3,
        "logins": logins.requests / logins.seconds,
        "login_ms": logins.p50_us / 1e3,
    }


def guesses(bed: Bed, peer: Running, effort: Effort) -> Sample:
    headers = {"Content-Type": "application/json", "Content-Profile": "auth", "Origin": peer.origin}
    read = Load(peer.prefix + bed.upstream.path, peer.headers)
    seconds = 4 * effort.seconds
    calm = run_wrk(read, port=peer.port, connections=READERS, seconds=seconds)
    with ThreadPoolExecutor(1) as pool:
        guessing = pool.submit(guess, peer.port, headers, seconds=seconds)
        beside = run_wrk(read, port=peer.port, connections=READERS, seconds=seconds)
        statuses = guessing.result()
    check_guesses(statuses)
    return {
        "calm_p99_ms": calm.p99_us / 1e3,
        "p99_ms": beside.p99_us / 1e3,
        "growth": (beside.p99_us / calm.p99_us - 1) * 100,
        "rate": beside.requests / beside.seconds,
        "calm_rate": calm.requests / calm.seconds,
        "checked": statuses[401],
        "refused": statuses[429],
    }


def down_1g(_: Bed, peer: Running, __: Effort) -> Sample:
    return stream_down(peer)


def up_1g(_: Bed, peer: Running, __: Effort) -> Sample:
    return stream_up(peer)


def idle(_: Bed, peer: Running, __: Effort) -> Sample:
    return hold_idle(peer)


def cold_start(_: Bed, peer: Running, __: Effort) -> Sample:
    return {"ready_ms": peer.seconds_to_ready * 1e3}


_RATE = (
    Figure("cpu_us", "CPU µs/request", 1),
    Figure("rate", "requests/s"),
    Figure("busy", "core busy %"),
    Figure("p50_ms", "p50 ms", 2),
    Figure("p99_ms", "p99 ms", 2),
)
_STREAM = (
    Figure("mb_s", "MB/s"),
    Figure("cpu_s", "CPU s", 2),
    Figure("growth_mb", "peak memory growth MB", 1),
)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "get-1k",
        "GET, 1 kB response",
        "One signed-in client reads 1 kB of JSON from a static upstream over keep-alive connections.",
        _RATE,
        get,
        compared="cpu_us",
    ),
    Scenario(
        "get-1k-many",
        f"GET, 1 kB response, {TOKENS} sessions in turn",
        "Each request carries the token of another session, so that caching one token does not help.",
        _RATE,
        get_many,
        compared="cpu_us",
    ),
    Scenario(
        "post-1k",
        "POST, 1 kB body, 1 kB response",
        "One signed-in client writes 1 kB of JSON.",
        _RATE,
        post,
        compared="cpu_us",
    ),
    Scenario(
        "refused",
        "Refused token",
        "Only the signature of the token is wrong; every request must be rejected.",
        _RATE,
        refused,
        compared="cpu_us",
        kinds=frozenset({"gateway"}),
    ),
    Scenario(
        "renewal",
        "The cost of silent renewal when none is needed",
        "Each request carries a valid access token and a refresh token, of ten thousand sessions in turn.",
        _RATE,
        get_with_both,
        compared="cpu_us",
        kinds=frozenset({"renewal"}),
    ),
    Scenario(
        "keys",
        "The cost of a key pair",
        "The first scenario with a shared secret (HS256) and with a private key of the gateway (ES256).",
        _RATE,
        get,
        compared="cpu_us",
        kinds=frozenset({"keys"}),
    ),
    Scenario(
        "down-1g",
        "1 GiB down",
        "One response of 1 GiB over one connection.",
        _STREAM,
        down_1g,
        compared="cpu_s",
        warm=False,
    ),
    Scenario(
        "up-1g",
        "1 GiB up",
        "One request body of 1 GiB over one connection.",
        _STREAM,
        up_1g,
        compared="cpu_s",
        warm=False,
        upstream=sink_upstream,
    ),
    Scenario(
        "through-postgrest",
        "GET through PostgREST",
        "The whole stack on all cores, nothing pinned: a signed-in client reads its three rows of the demo "
        "from a real PostgREST and Postgres.",
        (_RATE[1], _RATE[0], _RATE[3], _RATE[4]),
        get,
        compared="rate",
        kinds=frozenset({"gateway", "floor", "direct"}),
        cores_apart=False,
        upstream=postgrest_upstream,
    ),
    Scenario(
        "login-storm",
        "Reads beside a login storm",
        f"The same stack: {READERS} connections read while {STORM} others sign in as fast as they can.",
        (
            Figure("rate", "reads/s"),
            Figure("p50_ms", "read p50 ms", 1),
            Figure("p99_ms", "read p99 ms", 1),
            Figure("logins", "logins/s", 1),
            Figure("login_ms", "login p50 ms"),
        ),
        login_storm,
        compared="rate",
        kinds=frozenset({"gateway", "floor", "direct"}),
        cores_apart=False,
        upstream=postgrest_upstream,
    ),
    Scenario(
        "guesses",
        f"Reads beside {GUESSES} wrong passwords",
        f"The same stack, with its limits on: {READERS} connections read, first alone, and then while one "
        "account's password is guessed from one address, evenly over the run.",
        (
            Figure("calm_p99_ms", "read p99 ms alone", 1),
            Figure("p99_ms", "read p99 ms", 1),
            Figure("growth", "growth %"),
            Figure("calm_rate", "reads/s alone"),
            Figure("rate", "reads/s"),
            Figure("checked", "guesses checked"),
            Figure("refused", "guesses rejected unchecked"),
        ),
        guesses,
        compared="p99_ms",
        kinds=frozenset({"gateway"}),
        cores_apart=False,
        upstream=limited_upstream,
    ),
    Scenario(
        "idle",
        f"{CONNECTIONS} idle connections",
        "Each connection has made one request and is kept open; memory is PSS.",
        (Figure("memory_mb", "memory MB"), Figure("each_kb", "kB/connection", 1)),
        idle,
        warm=False,
    ),
    Scenario(
        "cold-start",
        "Cold start",
        "From the start of the process until its first request is relayed.",
        (Figure("ready_ms", "ms"),),
        cold_start,
        warm=False,
    ),
)
