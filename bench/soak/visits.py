"""The ways in which the soak's clients use a connection, well-behaved or not."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace

from bench.soak.answers import Broken, read_answer
from bench.soak.asks import FAULTS, ODDITIES, TUNNEL_PREFIX, Ask, any_ask, as_old, new_nonce
from bench.soak.visit import Visit, Visitor

PATIENCE_SECONDS = 20.0
_SLOW_BUFFER = 4_096
_AGAIN_SECONDS = 0.1
WEBSOCKET_KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
_IN_BODY = frozenset({"reset in body", "close in body", "reset at close", "stall in body"})
_LOGIN = (
    b"POST /rpc/login HTTP/1.1\r\nHost: gateway.test\r\n"
    b"Content-Type: application/json\r\nContent-Length: 24\r\n\r\n"
    b'{"user_":"a","pass":"b"}'
)


async def old_client(visitor: Visitor) -> None:
    async with Visit(visitor) as visit:
        await visit.ask(as_old(any_ask(visitor.random)))


async def kept(visitor: Visitor) -> None:
    """Many requests, one after the other."""
    async with Visit(visitor) as visit:
        for _ in range(visitor.random.randint(1, 60)):
            ask = any_ask(visitor.random)
            if visitor.random.random() < 0.15:
                ask = replace(ask, does=visitor.random.choice(ODDITIES), framing="sized")
            if not await visit.ask(ask):
                break


async def faulty(visitor: Visitor) -> None:
    """A request that the upstream answers badly, and good ones behind it."""
    source = visitor.random
    does = source.choices(list(FAULTS), [1 if "stall" in fault else 8 for fault in FAULTS])[0]
    framing = "close" if does == "reset at close" else source.choice(("sized", "chunked"))
    size = source.choice((2_000, 50_000)) if does in _IN_BODY else 100
    ask = Ask(size=size, framing=framing, does=does)
    if source.random() < 0.3:
        ask = replace(ask, method="POST", body=500)
    if source.random() < 0.2:
        ask = as_old(ask)
    async with Visit(visitor) as visit:
        if source.random() < 0.5 and not await visit.ask(any_ask(source)):
            return
        if await visit.ask(ask):
            await visit.ask(any_ask(source))


async def piped(visitor: Visitor) -> None:
    """Several requests in one go."""
    asks = [any_ask(visitor.random) for _ in range(visitor.random.randint(2, 8))]
    asks = [ask for ask in asks if ask.body <= 3_000 and ask.framing != "close"]
    async with Visit(visitor) as visit:
        began = time.monotonic()
        visit.writer.write(b"".join(ask.head(visit.token) + ask.framed_body() for ask in asks))
        for ask in asks:
            if not await visit.answer_to(ask, began):
                return


async def in_pieces(visitor: Visitor) -> None:
    """A request that comes in pieces of any size."""
    ask = replace(any_ask(visitor.random), framing="sized")
    async with Visit(visitor) as visit:
        began, data = time.monotonic(), ask.head(visit.token) + ask.framed_body(700)
        while data:
            size = visitor.random.choice((1, 7, 100, 10_000, 50_000))
            piece, data = data[:size], data[size:]
            with suppress(ConnectionError):
                visit.writer.write(piece)
                await visit.writer.drain()
            await asyncio.sleep(0)
        await visit.answer_to(ask, began)


async def expectant(visitor: Visitor) -> None:
    """A body that waits to be asked for."""
    ask = Ask("POST", body=visitor.random.choice((10, 50_000)), fields=("Expect: 100-continue",))
    async with Visit(visitor) as visit:
        began = time.monotonic()
        visit.writer.write(ask.head(visit.token))
        if await visit.reader.readuntil(b"\r\n\r\n") != b"HTTP/1.1 100 Continue\r\n\r\n":
            visit.tally.note_wrong("not asked for the body", ask)
            return
        visit.writer.write(ask.framed_body())
        await visit.answer_to(ask, began)


async def slow_reader(visitor: Visitor) -> None:
    """A large answer that is read more slowly than it comes."""
    async with Visit(visitor, receive_buffer=_SLOW_BUFFER) as visit:
        await visit.ask(Ask(size=visitor.random.choice((300_000, 1_000_000))), pause=0.01)


async def large_upload(visitor: Visitor) -> None:
    does = visitor.random.choice(("", "", "slow", "early"))
    async with Visit(visitor) as visit:
        await visit.ask(Ask("POST", body=1_000_000, chunked=visitor.random.random() < 0.5, does=does))


async def half_closed(visitor: Visitor) -> None:
    """A client that says nothing more once it has asked."""
    ask = Ask(size=5_000, does=visitor.random.choice(("", "slow")))
    async with Visit(visitor) as visit:
        began = time.monotonic()
        visit.writer.write(ask.head(visit.token))
        visit.writer.write_eof()
        await visit.answer_to(ask, began)


async def deserter(visitor: Visitor) -> None:
    """A client that leaves in the middle of something."""
    source = visitor.random
    ask = source.choice(
        (
            Ask(size=500_000),
            Ask(size=5_000, does="slow"),
            Ask("POST", body=200_000),
            Ask("POST", body=200_000, chunked=True),
        )
    )
    async with Visit(visitor) as visit:
        whole = ask.head(visit.token) + ask.framed_body()
        visit.writer.write(whole[: source.randint(1, len(whole) - 1)] if source.random() < 0.6 else whole)
        if source.random() < 0.5:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(visit.reader.read(1_000), 0.05)
        if source.random() < 0.5:
            visit.reset()
    visit.tally.counts["left"] += 1


async def stranger(visitor: Visitor) -> None:
    """Somebody whom the gateway refuses."""
    source = visitor.random
    async with Visit(visitor) as visit:
        if source.random() < 0.7:
            body = Ask(source.choice(("GET", "POST")), body=source.choice((-1, 5_000)))
            await visit.refusal(body.head(None) + body.framed_body(), {401}, "no session")
        else:
            await visit.refusal(source.randbytes(50) + b"\r\n\r\n", {400, 501}, "garbage")


async def sleeper(visitor: Visitor) -> None:
    """Somebody who begins something and never ends it: the gateway's deadlines do."""
    source = visitor.random
    ask = Ask("POST", body=1_000)
    async with Visit(visitor) as visit:
        began, head = time.monotonic(), ask.head(visit.token)
        begun = source.choice((b"", head[:30], head + ask.framed_body()[:500]))
        visit.writer.write(begun)
        ended = await visit.reader.read()
        ends = (b"HTTP/1.1 408 ", b"HTTP/1.1 502 ")  # its upstream connection may have been a stale one
        if begun and not ended.startswith(ends) and not visit.tally.excuses(began):
            visit.tally.note_wrong("a request that never ends", ended[:200])
    visit.tally.counts["timed out"] += 1


async def hoarder(visitor: Visitor) -> None:
    """Somebody who asks for much and reads nothing of it."""
    async with Visit(visitor, receive_buffer=_SLOW_BUFFER) as visit:
        visit.writer.write(Ask(size=8_000_000).head(visit.token))
        await asyncio.sleep(visitor.random.choice((0.2, 3.5)))
        visit.reset()
    visit.tally.counts["left"] += 1


async def login(visitor: Visitor) -> None:
    """The other lane: there is no database, and it says so."""
    async with Visit(visitor) as visit:
        await visit.refusal(_LOGIN, {429, 503}, "login without a database")


async def tunnel(visitor: Visitor) -> None:
    """Bytes both ways through a WebSocket's tunnel, ended by either side."""
    source = visitor.random
    ask = Ask(fields=("Connection: Upgrade", "Upgrade: websocket", WEBSOCKET_KEY))
    async with Visit(visitor) as visit:
        began = time.monotonic()
        visit.writer.write(ask.head(visit.token).replace(b"/rest/", TUNNEL_PREFIX.encode() + b"/", 1))
        try:
            answer = await read_answer(visit.reader, "GET")
            if answer.status != 101:
                visit.tally.judge(ask, answer, visit.token, began)
                return
            for _ in range(source.randint(1, 20)):
                said = new_nonce().encode() * source.choice((1, 100, 5_000))
                visit.writer.write(said)
                heard = await visit.reader.readexactly(len(said))
                if heard != said:
                    visit.tally.note_wrong("a tunnel said something else", heard[:100])
        except (Broken, asyncio.IncompleteReadError, ConnectionError) as error:
            visit.tally.judge_broken(ask, f"tunnel: {error!r}", began)
            return
        visit.tally.counts["tunnels"] += 1
        if source.random() < 0.3:
            visit.reset()


Kind = Callable[[Visitor], Coroutine[None, None, None]]
KINDS: dict[Kind, int] = {
    kept: 40,
    faulty: 12,
    piped: 12,
    in_pieces: 4,
    expectant: 4,
    slow_reader: 2,
    large_upload: 2,
    half_closed: 4,
    old_client: 4,
    deserter: 8,
    stranger: 6,
    sleeper: 1,
    hoarder: 1,
    login: 1,
    tunnel: 3,
}


async def go_on_visiting(visitor: Visitor, until: float) -> None:
    """One visit after the other, until the time is over."""
    while time.monotonic() < until:
        kind = visitor.random.choices(list(KINDS), list(KINDS.values()))[0]
        try:
            await asyncio.wait_for(kind(visitor), PATIENCE_SECONDS)
        except TimeoutError:
            visitor.tally.note_wrong("no end", kind.__name__)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            visitor.tally.note_wrong(f"{kind.__name__} failed", repr(error))
            await asyncio.sleep(_AGAIN_SECONDS)
