"""The soak itself: a short one passes, and each thing that it looks for would be found."""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.soak.answers import Answer, Broken, Wrong, read_answer
from bench.soak.asks import FAULTS, Ask, pattern, read_target
from bench.soak.tally import Tally, find_wrong
from bench.soak.verdict import Watch, find_faults, summary

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
TOKEN = "a token of more than sixteen letters"
NONCE = "0123456789abcdef"
ASK = Ask(nonce=NONCE, size=20)
POST = replace(ASK, method="POST", body=500)
REFUSAL = json.dumps({"code": "GW300", "message": "", "details": None, "hint": None}).encode()
MEGABYTE = 1 << 20


def right(ask: Ask = ASK) -> Answer:
    fields = {"x-nonce": NONCE, "x-token": TOKEN[-16:], "x-received": str(max(ask.body, 0))}
    return Answer(200, fields, pattern(NONCE, ask.size))


def refusal(status: int) -> Answer:
    return Answer(status, {}, REFUSAL)


def with_fields(**fields: str) -> Answer:
    answer = right()
    return replace(answer, fields={**answer.fields, **{f"x-{name}": value for name, value in fields.items()}})


def test_a_short_soak_passes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.soak", "--minutes", "0.05", "--seed", "1"],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.startswith("soak passed: 3 s, ")


@pytest.mark.parametrize("ask", [ASK, POST], ids=["GET", "POST"])
def test_a_right_answer_is_right(ask: Ask) -> None:
    assert find_wrong(ask, right(ask), TOKEN, excused=False) is None


@pytest.mark.parametrize(
    "answer",
    [
        with_fields(nonce="fedcba9876543210"),
        with_fields(token="somebody else's!"),
        with_fields(received="1"),
        replace(right(), body=pattern(NONCE, 19)),
        replace(right(), body=pattern(NONCE, 20) + b"HTTP/1.1 200 OK"),
        replace(right(), body=pattern("fedcba9876543210", 20)),
        replace(right(), interim=(103,)),
        refusal(502),
        refusal(504),
        refusal(500),
        refusal(401),
    ],
    ids=[
        "another's", "asked as another", "half a request", "cut", "surplus", "another's body", "interim",
        "502", "504", "500", "401",
    ],
)  # fmt: skip
def test_a_wrong_answer_is_found(answer: Answer) -> None:
    assert find_wrong(ASK, answer, TOKEN, excused=False) is not None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_whole_answer_where_the_upstream_gave_none_is_wrong(fault: str) -> None:
    assert find_wrong(replace(ASK, does=fault), right(), TOKEN, excused=True) is not None


def test_a_refusal_needs_a_reason() -> None:
    assert find_wrong(ASK, refusal(502), TOKEN, excused=True) is None
    assert find_wrong(replace(ASK, does="reset"), refusal(502), TOKEN, excused=False) is None
    assert find_wrong(POST, refusal(502), TOKEN, excused=False) is None  # a stale connection
    assert find_wrong(ASK, replace(refusal(502), body=b"Bad Gateway"), TOKEN, excused=True) is not None
    assert find_wrong(replace(ASK, does="stall"), refusal(502), TOKEN, excused=False) is not None


def test_an_upstream_that_is_away_excuses_what_overlaps_with_it() -> None:
    tally = Tally()
    assert not tally.excuses(time.monotonic())
    tally.upstream_goes()
    assert tally.excuses(time.monotonic())
    tally.upstream_is_back()
    assert tally.excuses(time.monotonic())  # for a second
    assert not tally.excuses(time.monotonic() + 1.1)


def test_an_answer_that_only_its_end_ends_may_be_cut_by_the_upstreams_death() -> None:
    ask, tally = replace(ASK, framing="close"), Tally()
    cut = replace(right(), body=pattern(NONCE, 12))
    tally.upstream_goes()
    tally.judge(ask, right(), TOKEN, time.monotonic())
    tally.judge(ask, cut, TOKEN, time.monotonic())
    assert tally.counts == {"right": 1, "broken": 1}
    tally.judge(ASK, cut, TOKEN, time.monotonic())
    tally.judge(ask, with_fields(nonce="fedcba9876543210"), TOKEN, time.monotonic())
    tally.judge(ask, replace(right(), body=b"another"), TOKEN, time.monotonic())
    assert len(tally.wrongs) == 3


def test_what_breaks_without_a_reason_is_wrong() -> None:
    tally = Tally()
    tally.judge_broken(replace(ASK, does="reset in body"), "cut", time.monotonic())
    assert not tally.wrongs
    tally.judge_broken(ASK, "cut", time.monotonic())
    assert len(tally.wrongs) == 1


async def read(data: bytes, *, method: str = "GET", old: bool = False) -> Answer:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await read_answer(reader, method, old=old)


async def test_answers_are_read_to_their_end() -> None:
    sized = await read(b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab")
    chunked = await read(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
    )
    old = await read(b"HTTP/1.1 200 OK\r\n\r\nab", old=True)
    head = await read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", method="HEAD")
    assert [sized.body, chunked.body, old.body, head.body] == [b"ab", b"ab", b"ab", b""]
    assert sized.interim == (103,)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na",
    ],
)
async def test_a_cut_answer_is_broken(data: bytes) -> None:
    with pytest.raises(Broken):
        await read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
        b"HTTP/1.1 200 OK\r\nX-Nonce 1\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_wrong(data: bytes) -> None:
    with pytest.raises(Wrong):
        await read(data)


def test_the_upstream_reads_from_the_target_what_the_client_wrote() -> None:
    ask = Ask(size=7, framing="chunked", does="reset in body", body=3, nonce=NONCE)
    assert read_target(ask.target) == ask


def watch(*, late: int = 100 * MEGABYTE, files_left: int = 10, waiting: float = 0.0) -> Watch:
    memory = [100 * MEGABYTE] * 150 + [late] * 50
    return Watch(files=10, memory=memory, files_left=files_left, left={"gateway_upstream_queued": waiting})


def answered() -> Tally:
    tally = Tally()
    tally.judge(ASK, right(), TOKEN, time.monotonic())
    return tally


def test_a_good_soak_has_no_faults() -> None:
    tally = answered()
    assert not find_faults(watch(late=104 * MEGABYTE), tally, [], '{"level":"info","event":"drained"}')
    assert summary(watch(), tally, 1.0, seed=1, passed=True).startswith("soak passed: 1 s, 1 right/s")


@pytest.mark.parametrize(
    ("seen", "complaints", "log"),
    [
        (watch(late=106 * MEGABYTE), [], ""),
        (watch(files_left=11), [], ""),
        (watch(waiting=1), [], ""),
        (replace(watch(), left={}), [], ""),
        (watch(), ["half a request came as a whole one"], ""),
        (watch(), [], "Traceback (most recent call last)"),
        (watch(), [], '{"time":"2026-01-01T00:00:00.000Z","level":"error","event":"internal_failure"}'),
    ],
    ids=["memory", "files", "gauges", "no gauges", "the upstream's complaint", "traceback", "error"],
)
def test_each_fault_fails_a_soak(seen: Watch, complaints: list[str], log: str) -> None:
    assert len(find_faults(seen, answered(), complaints, log)) == 1


def test_a_soak_without_an_answer_or_with_a_wrong_one_fails() -> None:
    assert find_faults(watch(), Tally(), [], "")
    tally = answered()
    tally.judge(ASK, refusal(500), TOKEN, time.monotonic())
    assert len(find_faults(watch(), tally, [], "")) == 1
