"""Answers as a client receives them, judged by h11 (a reader that shares no code with the gateway).

h11 forgives bare line feeds, so the head's raw bytes are checked besides. An answer that ends before its
framing says so, or by a reset, is cut: that it ended is never taken for its end.
"""

import re
from dataclasses import dataclass

import h11

from harness.relay.wire import Ending, Wire

_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)|\x00").search
_LARGE = 1 << 20


class AnswerCut(AssertionError):
    """The answer ended before it was whole."""

    def __init__(self, ending: Ending, body: bytes) -> None:
        super().__init__(f"answer cut, connection {ending.value}, after {len(body)} bytes of its body")
        self.ending = ending
        self.body = body


@dataclass(frozen=True)
class AnswerHead:
    status: int
    fields: tuple[tuple[bytes, bytes], ...]  # names as written
    raw: bytes = b""

    def values(self, name: bytes) -> list[bytes]:
        return [value for other, value in self.fields if other.lower() == name.lower()]

    def value(self, name: bytes) -> bytes:
        values = self.values(name)
        assert len(values) == 1, f"{name!r} stands {len(values)} times in {self.fields!r}"
        return values[0]

    @property
    def names(self) -> set[bytes]:
        return {name.lower() for name, _ in self.fields}

    @property
    def closes(self) -> bool:
        return any(value.lower() == b"close" for value in self.values(b"connection"))


@dataclass(frozen=True)
class Answer:
    """A whole final answer, and the interim ones before it."""

    head: AnswerHead
    body: bytes
    interim: tuple[AnswerHead, ...] = ()

    @property
    def status(self) -> int:
        return self.head.status


class AnswerReader:
    """Reads one answer off a wire, in steps or whole."""

    def __init__(self, wire: Wire, method: str) -> None:
        self._wire = wire
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGE)
        self._parser.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
        self._parser.send(h11.EndOfMessage())
        self._begin = len(wire.received) - len(wire.unread)
        self._head: AnswerHead | None = None
        self._interim: list[AnswerHead] = []
        self._body = bytearray()
        self._is_over = False

    def head(self) -> AnswerHead:
        """The head of the final answer."""
        while self._head is None:
            self._step()
        return self._head

    def interim(self) -> AnswerHead:
        """The first interim answer."""
        while not self._interim:
            self._step()
        return self._interim[0]

    def body_of(self, count: int) -> bytes:
        """Read until `count` bytes of the body have come (or more, or it is over)."""
        while len(self._body) < count and not self._is_over:
            self._step()
        return bytes(self._body)

    def whole(self) -> Answer:
        """Read to the end. Raises AnswerCut."""
        while not self._is_over:
            self._step()
        assert self._head is not None
        return Answer(self._head, bytes(self._body), tuple(self._interim))

    def _step(self) -> None:
        event = self._parser.next_event()
        if event is h11.NEED_DATA:
            self._feed()
        elif isinstance(event, (h11.InformationalResponse, h11.Response)):
            self._take_head(event)
        elif isinstance(event, h11.Data):
            self._body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert not event.headers, "a trailer crossed"
            self._is_over = True
            self._wire.put_back(self._parser.trailing_data[0])
        else:
            raise AssertionError(f"h11: {event!r}")

    def _feed(self) -> None:
        data = self._wire.take_some()
        if data:
            self._parser.receive_data(data)
            return
        ending = self._wire.ending
        assert ending is not None
        if ending is Ending.RESET:
            raise AnswerCut(ending, bytes(self._body))
        try:
            self._parser.receive_data(b"")
            self._after_end()
        except h11.RemoteProtocolError:
            raise AnswerCut(ending, bytes(self._body)) from None

    def _after_end(self) -> None:
        event = self._parser.next_event()
        if not isinstance(event, h11.EndOfMessage):
            raise AnswerCut(Ending.CLOSED, bytes(self._body))
        self._is_over = True

    def _take_head(self, event: h11.InformationalResponse | h11.Response) -> None:
        raw = bytes(self._wire.received[self._begin :])
        raw = raw[: raw.index(b"\r\n\r\n") + 4]
        self._begin += len(raw)
        assert _BARE(raw) is None, f"a bare CR, LF or NUL: {raw!r}"
        head = AnswerHead(event.status_code, tuple(event.headers.raw_items()), raw)
        if isinstance(event, h11.InformationalResponse):
            self._interim.append(head)
        else:
            self._head = head
