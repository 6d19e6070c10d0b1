"""Listening sockets: a port is one process's, unless all who want it share; and how one of them leaves."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from app.server.sockets import PortTaken, bind, turn_away, url_of

SOON_SECONDS = 0.3
RETRY_SECONDS = 10  # a first packet that was dropped is sent again after one


@pytest.fixture
def listeners() -> Iterator[list[socket.socket]]:
    """Two for one port."""
    with ExitStack() as stack:
        one = stack.enter_context(bind("127.0.0.1", 0, reuse_port=True))
        two = stack.enter_context(bind("127.0.0.1", one.getsockname()[1], reuse_port=True))
        for each in (one, two):
            each.setblocking(False)  # noqa: FBT003
        yield [one, two]


def accepted(listener: socket.socket) -> int:
    """How many wait to be accepted."""
    count = 0
    try:
        while True:
            listener.accept()[0].close()
            count += 1
    except BlockingIOError:
        return count


def connect(listener: socket.socket, *, seconds: float) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=seconds)


@pytest.mark.parametrize(("first", "second"), [(False, False), (True, False), (False, True)])
def test_a_port_is_shared_only_by_those_who_all_say_so(first: bool, second: bool) -> None:  # noqa: FBT001
    with bind("127.0.0.1", 0, reuse_port=first) as taken, pytest.raises(PortTaken, match="Cannot listen on"):
        bind("127.0.0.1", taken.getsockname()[1], reuse_port=second)


def test_both_get_clients(listeners: list[socket.socket]) -> None:
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(connect(listeners[0], seconds=RETRY_SECONDS))
        counts = [accepted(listener) for listener in listeners]
    assert sum(counts) == 40
    assert min(counts) > 0


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_one_that_leaves_gets_nobody_new_and_the_others_get_them_all(listeners: list[socket.socket]) -> None:
    leaving, staying = listeners
    turn_away(leaving)
    with ExitStack() as stack:
        slow = 0
        for _ in range(20):
            try:
                stack.enter_context(connect(leaving, seconds=SOON_SECONDS))
            except TimeoutError:
                slow += 1
        assert (accepted(leaving), accepted(staying)) == (0, 20 - slow)
        assert slow > 0
        leaving.close()
        for _ in range(20):
            stack.enter_context(connect(staying, seconds=RETRY_SECONDS))
        assert accepted(staying) >= 20


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_who_is_connected_or_has_knocked_is_served_by_one_that_leaves() -> None:
    with bind("127.0.0.1", 0, reuse_port=True) as listener, connect(listener, seconds=RETRY_SECONDS) as first:
        served, _ = listener.accept()
        with served, connect(listener, seconds=RETRY_SECONDS) as waiting:
            turn_away(listener)
            first.sendall(b"still here")
            assert served.recv(10) == b"still here"
            waiting.sendall(b"me too")
            late, _ = listener.accept()
            with late:
                assert late.recv(6) == b"me too"
                late.sendall(b"welcome")
                assert waiting.recv(7) == b"welcome"


def test_a_socket_is_called_as_one_would_type_it() -> None:
    with bind("127.0.0.1", 0) as four:
        assert url_of(four) == f"http://127.0.0.1:{four.getsockname()[1]}"
    if socket.has_ipv6:
        with bind("::1", 0) as six:
            assert url_of(six) == f"http://[::1]:{six.getsockname()[1]}"
