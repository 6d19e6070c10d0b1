"""Requests as an upstream receives them, read with a strict eye of our own (RFC 9112).

What is read here was written by the gateway, so anything that two readers could take differently is a
failure: a bare line feed, both framings, a chunk extension, a trailer.
"""

import re
from dataclasses import dataclass

from harness.relay.wire import Wire, WireEnded

_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (/[\x21-\x7e]*) HTTP/1\.1").fullmatch
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*").fullmatch
_LENGTH = re.compile(rb"[0-9]{1,18}").fullmatch
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}\r\n").fullmatch


class NotStrict(AssertionError):
    """The gateway wrote something that two readers could understand differently."""


@dataclass(frozen=True)
class RequestHead:
    raw: bytes
    method: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]  # names in lower case

    @property
    def names(self) -> set[bytes]:
        return {name for name, _ in self.fields}

    def values(self, name: bytes) -> list[bytes]:
        return [value for other, value in self.fields if other == name]

    def value(self, name: bytes) -> bytes:
        """The value of a field that stands there exactly once."""
        values = self.values(name)
        assert len(values) == 1, f"{name!r} stands {len(values)} times in {self.raw!r}"
        return values[0]

    @property
    def is_chunked(self) -> bool:
        return b"transfer-encoding" in self.names

    @property
    def length(self) -> int:
        return int(self.value(b"content-length")) if b"content-length" in self.names else 0


@dataclass(frozen=True)
class ReceivedRequest:
    """A whole request."""

    head: RequestHead
    body: bytes
    raw: bytes


def parse_head(raw: bytes) -> RequestHead:
    lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    start = _REQUEST_LINE(lines[0])
    if start is None:
        raise NotStrict(f"request line {lines[0]!r}")
    fields = []
    for line in lines[1:]:
        field = _FIELD(line)
        if field is None:
            raise NotStrict(f"field {line!r}")
        fields.append((field[1].lower(), field[2]))
    head = RequestHead(raw, start[1], start[2], tuple(fields))
    _check_framing(head)
    return head


def _check_framing(head: RequestHead) -> None:
    lengths, codings = head.values(b"content-length"), head.values(b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise NotStrict(f"more than one framing: {head.raw!r}")
    if lengths and _LENGTH(lengths[0]) is None:
        raise NotStrict(f"Content-Length {lengths[0]!r}")
    if codings and codings[0] != b"chunked":
        raise NotStrict(f"Transfer-Encoding {codings[0]!r}")
    if len(head.values(b"host")) != 1:
        raise NotStrict(f"Host: {head.raw!r}")


class RequestReader:
    """Reads requests off one wire, in steps or whole."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def head(self) -> RequestHead:
        return parse_head(self._wire.take_until(b"\r\n\r\n"))

    def chunk(self) -> bytes:
        """The next chunk's data; empty for the last one."""
        line = self._wire.take_until(b"\r\n")
        if _CHUNK_SIZE(line) is None:
            raise NotStrict(f"chunk line {line!r}")
        size = int(line, 16)
        data = self._wire.take(size)
        end = self._wire.take(2)
        if end != b"\r\n":
            raise NotStrict(f"after a chunk came {end!r}" if size else f"a trailer: {end!r}")
        return data

    def body(self, head: RequestHead) -> bytes:
        if not head.is_chunked:
            return self._wire.take(head.length)
        pieces = []
        while piece := self.chunk():
            pieces.append(piece)
        return b"".join(pieces)

    def request(self) -> ReceivedRequest:
        start = len(self._wire.received) - len(self._wire.unread)
        head = self.head()
        body = self.body(head)
        end = len(self._wire.received) - len(self._wire.unread)
        return ReceivedRequest(head, body, bytes(self._wire.received[start:end]))

    def next_request(self) -> ReceivedRequest | None:
        """The next whole request, or None when the connection ended before it was whole."""
        try:
            return self.request()
        except WireEnded:
            return None
