"""Answers as the soak's clients read them: strictly, and with an eye that shares no code with the gateway.

To clients of HTTP/1.1, the end of a connection is never the end of an answer.
"""

import asyncio
from dataclasses import dataclass

_LIMIT = 1 << 20
_FINAL = 200


class Wrong(Exception):
    """An answer that must not be: another's, cut but complete to look at, or not HTTP."""


class Broken(Exception):
    """The connection ended before the answer was whole."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    fields: dict[str, str]
    body: bytes
    interim: tuple[int, ...] = ()

    @property
    def closes(self) -> bool:
        return self.fields.get("connection", "").lower() == "close"


async def read_answer(
    reader: asyncio.StreamReader, method: str, *, pause: float = 0.0, old: bool = False
) -> Answer:
    """The next final answer. Raises Broken, Wrong.

    `pause`: between reads of a body, for a slow client. `old`: to a client of HTTP/1.0, where an orderly end
    of the connection, and never a reset, may end an answer.
    """
    try:
        return await _read(reader, method, pause, old=old)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Broken(type(error).__name__) from None
    except asyncio.LimitOverrunError as error:
        raise Wrong(f"a line without an end: {error}") from None


async def _read(reader: asyncio.StreamReader, method: str, pause: float, *, old: bool) -> Answer:
    interim: list[int] = []
    while True:
        status, fields = _parse_head(await reader.readuntil(b"\r\n\r\n"))
        if status >= _FINAL or status == 101:
            break
        interim.append(status)
    if method == "HEAD" or status in {101, 204, 304}:
        body = b""
    elif "transfer-encoding" in fields:
        body = await _read_chunks(reader, fields)
    elif "content-length" in fields:
        body = await _read_sized(reader, int(fields["content-length"]), pause)
    elif old:
        body = await reader.read()
    else:
        raise Wrong(f"only its end could end this answer: {status} {fields}")
    return Answer(status, fields, body, tuple(interim))


def _parse_head(raw: bytes) -> tuple[int, dict[str, str]]:
    start, *lines = raw[:-4].decode("latin-1").split("\r\n")
    version, _, rest = start.partition(" ")
    if version != "HTTP/1.1" or not rest[:3].isdigit():
        raise Wrong(f"a status line {start[:100]!r}")
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or "\n" in line or "\r" in line:
            raise Wrong(f"a field {line[:100]!r}")
        if name.lower() in fields and name.lower() in {"content-length", "transfer-encoding", "x-nonce"}:
            raise Wrong(f"{name} twice")
        fields[name.lower()] = value.strip()
    if "content-length" in fields and "transfer-encoding" in fields:
        raise Wrong("two framings")
    return int(rest[:3]), fields


async def _read_sized(reader: asyncio.StreamReader, size: int, pause: float) -> bytes:
    if not pause:
        return await reader.readexactly(size)
    pieces: list[bytes] = []
    while size:
        piece = await reader.readexactly(min(size, 32_768))
        size -= len(piece)
        pieces.append(piece)
        await asyncio.sleep(pause)
    return b"".join(pieces)


async def _read_chunks(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if fields["transfer-encoding"] != "chunked":
        raise Wrong(f"a coding {fields['transfer-encoding']!r}")
    pieces: list[bytes] = []
    while True:
        line = await reader.readuntil(b"\r\n")
        try:
            size = int(line[:-2], 16)
        except ValueError:
            raise Wrong(f"a chunk size {line[:40]!r}") from None
        data = await reader.readexactly(size + 2)
        if data[-2:] != b"\r\n":
            raise Wrong("a chunk without its end")
        if size == 0:
            return b"".join(pieces)
        pieces.append(data[:-2])
