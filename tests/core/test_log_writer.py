"""The way of lines to a pipe: gathered, in order, and never waited for."""

import errno
import os
import time
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from app.logs import LineWriter

PATIENCE_SECONDS = 10.0
PIPE_BYTES = 65_536  # what a pipe holds that nobody reads (pipe(7))


class Pipe:
    """A pipe with a writer at its end; `read` gives what has come by now, at least so many bytes."""

    def __init__(self, most_bytes: int = 1_000_000) -> None:
        self.reading, self.writing = os.pipe()
        self.writer = LineWriter(self.writing, most_bytes=most_bytes)

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count and (piece := os.read(self.reading, PIPE_BYTES)):
            data += piece
        return data

    def close(self) -> None:
        os.set_blocking(self.writing, False)
        self.writer.close(0.1)
        for end in (self.reading, self.writing):
            os.close(end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def test_lines_are_written_together_and_in_order(pipe: Pipe) -> None:
    for number in range(100):
        pipe.writer.write(b"%d\n" % number)
    os.set_blocking(pipe.reading, False)
    with pytest.raises(BlockingIOError):
        os.read(pipe.reading, 1)
    os.set_blocking(pipe.reading, True)
    pipe.writer.flush()
    expected = b"".join(b"%d\n" % number for number in range(100))
    assert pipe.read(len(expected)) == expected


def test_many_lines_do_not_wait_to_be_flushed(pipe: Pipe) -> None:
    line = b"x" * 999 + b"\n"
    for _ in range(66):
        pipe.writer.write(line)
    assert pipe.read(66 * 1000) == line * 66


def test_what_is_left_is_written_at_the_end(pipe: Pipe) -> None:
    pipe.writer.write(b"last\n")
    pipe.writer.close()
    assert pipe.read(5) == b"last\n"


def test_nobody_waits_for_a_reader_that_has_stopped_and_what_is_too_much_is_counted() -> None:
    pipe = Pipe(most_bytes=200_000)
    line = b"x" * 999 + b"\n"
    began = time.monotonic()
    for _ in range(1_000):
        pipe.writer.write(line)
    pipe.writer.flush()
    assert time.monotonic() - began < 1
    assert 0 < pipe.writer.lost < 1_000
    written = 1_000 - pipe.writer.lost
    taken = Thread(target=pipe.read, args=(written * 1_000,), daemon=True)
    taken.start()
    taken.join(PATIENCE_SECONDS)
    assert not taken.is_alive(), "what was not lost arrives"
    pipe.close()


def test_a_pipe_that_somebody_made_non_blocking_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    data = b"x" * 299_999 + b"\n"
    pipe.writer.write(data)
    assert pipe.read(len(data)) == data


def test_a_reader_that_is_gone_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    writer = LineWriter(writing)
    for _ in range(3):
        writer.write(b"to nobody\n")
        writer.flush()
    writer.close()
    assert writer.lost == 2  # and the first would be tried again
    assert not writer.has_room
    os.close(writing)


def test_a_disk_that_is_full_loses_whole_lines_and_no_line_goes_on_in_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk, space = bytearray(), [17]

    def write(_descriptor: int, data: memoryview) -> int:
        written = bytes(data[: space[0]])
        if not written:
            raise OSError(errno.ENOSPC, "no space")
        disk.extend(written)
        space[0] -= len(written)
        return len(written)

    monkeypatch.setattr("app.logs.writer.os.write", write)
    writer = LineWriter(-1)

    def tell(*lines: bytes) -> tuple[int, bool]:
        for line in lines:
            writer.write(line)
        writer.flush()
        until = time.monotonic() + PATIENCE_SECONDS
        while writer._taken < writer._given:
            assert time.monotonic() < until
            time.sleep(0.001)
        return writer.lost, writer.has_room

    assert tell(b"line 1\n", b"line 2\n", b"line 3\n", b"line 4\n") == (1, False)
    space[0] = 10
    assert tell(b"line 5\n", b"line 6\n") == (2, False)
    space[0] = 100
    assert tell(b"line 7\n") == (2, True)
    writer.close()
    assert bytes(disk) == b"line 1\nline 2\nline 3\nline 5\nline 7\n"


def test_the_end_waits_for_a_reader_but_not_for_ever(pipe: Pipe) -> None:
    pipe.writer.write(b"x" * 300_000 + b"\n")
    ended = Event()

    def end() -> None:
        pipe.writer.close(0.2)
        ended.set()

    Thread(target=end).start()
    assert ended.wait(PATIENCE_SECONDS)
