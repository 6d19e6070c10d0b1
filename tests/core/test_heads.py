"""Heads on the wire: status lines, whole answers of the gateway's own, chunks."""

import httptools
import pytest

from app.core.http.heads import (
    CHUNKED,
    CONTINUE,
    LAST_CHUNK,
    STATUS_LINES,
    chunk,
    response_framing,
    whole_response,
)


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, b"HTTP/1.1 200 OK\r\n"),
        (401, b"HTTP/1.1 401 Unauthorized\r\n"),
        (418, b"HTTP/1.1 418 I'm a Teapot\r\n"),
        (599, b"HTTP/1.1 599 \r\n"),  # a status without a phrase keeps its blank (RFC 9112 section 4)
    ],
)
def test_a_status_has_its_line(status: int, line: bytes) -> None:
    assert STATUS_LINES[status] == line


def test_every_status_that_http_has_room_for_has_a_line() -> None:
    assert list(STATUS_LINES) == list(range(100, 600))
    assert STATUS_LINES[100] + b"\r\n" == CONTINUE


def test_a_whole_response_is_framed_by_its_length() -> None:
    headers = [(b"Content-Type", b"text/plain"), (b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2")]
    assert whole_response(401, headers, b"no\n", close=False, head_only=False) == (
        b"HTTP/1.1 401 Unauthorized\r\n"
        b"Content-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
        b"Content-Length: 3\r\n\r\nno\n"
    )


def test_the_answer_to_head_tells_the_length_of_the_body_it_leaves_out() -> None:
    assert whole_response(404, [], b"{}", close=True, head_only=True) == (
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
    )


def test_no_content_has_neither_a_body_nor_a_length() -> None:
    assert whole_response(204, [(b"Vary", b"Origin")], b"", close=False, head_only=False) == (
        b"HTTP/1.1 204 No Content\r\nVary: Origin\r\n\r\n"
    )


LENGTH = b"Content-Length: 2\r\n"


@pytest.mark.parametrize(
    ("status", "length", "is_head", "is_chunkable", "line"),
    [
        (200, b"2", False, True, LENGTH),
        (200, b"2", False, False, LENGTH),
        (200, None, False, True, CHUNKED),  # C61
        (200, None, False, False, None),  # HTTP/1.0: only the end of the connection ends it
        (200, b"2", True, True, LENGTH),  # of the body that HEAD leaves out
        (200, None, True, True, b""),
        (200, None, True, False, b""),
        (304, b"2", False, True, LENGTH),
        (304, None, False, False, b""),
        (204, b"2", False, True, b""),  # C54
        (204, None, False, False, b""),
        (404, None, False, True, CHUNKED),
    ],
)
def test_a_relayed_answer_is_framed_for_its_client(
    *,
    status: int,
    length: bytes | None,
    is_head: bool,
    is_chunkable: bool,
    line: bytes | None,
) -> None:
    assert response_framing(status, length, is_head=is_head, is_chunkable=is_chunkable) == line


class _Body:
    def __init__(self) -> None:
        self.data = b""
        self.complete = False

    def on_body(self, data: bytes) -> None:
        self.data += data

    def on_message_complete(self) -> None:
        self.complete = True


def test_chunks_are_put_together_again_by_another_reader() -> None:
    pieces = [b"a", b"\r\n0\r\n\r\n", b"x" * 70_000]
    seen = _Body()
    reader = httptools.HttpResponseParser(seen)
    reader.feed_data(STATUS_LINES[200] + b"Transfer-Encoding: chunked\r\n\r\n")
    for piece in pieces:
        reader.feed_data(chunk(piece))
    assert (seen.data, seen.complete) == (b"".join(pieces), False)
    reader.feed_data(LAST_CHUNK)
    assert seen.complete
