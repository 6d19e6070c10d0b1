"""One connection of a client of the soak: it asks, reads and judges. `visits.py` knows how it is used."""

import asyncio
import random
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from bench.soak.answers import Broken, Wrong, read_answer
from bench.soak.asks import Ask
from bench.soak.tally import Tally

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass
class Visitor:
    """What all visits share: where the gateway is, who they are, and what came of it."""

    port: int
    tally: Tally
    random: random.Random
    tokens: list[str]

    def token(self) -> str:
        return self.random.choice(self.tokens)


class Visit:
    """One connection. Leaves it closed, whatever happened."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def __init__(self, visitor: Visitor, *, receive_buffer: int = 0) -> None:
        self.visitor = visitor
        self.tally = visitor.tally
        self.random = visitor.random
        self.token = visitor.token()
        self._receive_buffer = receive_buffer

    async def __aenter__(self) -> Self:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if self._receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        sock.setblocking(False)  # noqa: FBT003
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.visitor.port))
        except BaseException:
            sock.close()
            raise
        self.reader, self.writer = await asyncio.open_connection(sock=sock, limit=1 << 16)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.writer.transport.abort()

    async def ask(self, ask: Ask, *, pause: float = 0.0) -> bool:
        """One request and its answer, judged. Whether the connection goes on."""
        began = time.monotonic()
        with suppress(ConnectionError):  # an answer may have come first: it is read below
            self.writer.write(ask.head(self.token) + ask.framed_body())
            await self.writer.drain()
        return await self.answer_to(ask, began, pause=pause)

    async def answer_to(self, ask: Ask, began: float, *, pause: float = 0.0) -> bool:
        try:
            answer = await read_answer(self.reader, ask.method, pause=pause, old=ask.version == "1.0")
        except Broken as broken:
            self.tally.judge_broken(ask, str(broken), began)
            return False
        except Wrong as wrong:
            self.tally.note_wrong("not an answer", f"{wrong}; {ask}")
            return False
        self.tally.judge(ask, answer, self.token, began)
        if answer.status in {502, 503}:
            await asyncio.sleep(0.01)  # nobody hammers a service that is away
        return not answer.closes

    async def refusal(self, sent: bytes, statuses: set[int], what: str) -> None:
        """Send what the gateway refuses by itself."""
        with suppress(ConnectionError):
            self.writer.write(sent)
            await self.writer.drain()
        try:
            answer = await read_answer(self.reader, "GET")
        except Broken:
            self.tally.note_wrong(what, "no answer")
            return
        if answer.status in statuses:
            self.tally.counts[f"refused {answer.status}"] += 1
        else:
            self.tally.note_wrong(what, answer)
