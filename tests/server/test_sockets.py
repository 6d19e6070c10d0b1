"""Listening sockets: a port is one process's, unless all who want it share; and how one of them leaves."""

import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from app.system.listeners import PortTaken, bind, refuse_handshakes, url_of

SOON_SECONDS = 0.3
needs_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
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
    refuse_handshakes(leaving)
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
            refuse_handshakes(listener)
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


@needs_ipv6
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_stands_in_brackets_and_may_be_given_so(host: str) -> None:
    with bind(host, 0) as six:
        assert url_of(six) == f"http://[::1]:{six.getsockname()[1]}"


ANY = ["0.0.0.0", "::", "[::]", "*"]  # noqa: S104


@needs_ipv6
@pytest.mark.parametrize("reuse_port", [False, True])
@pytest.mark.parametrize("host", ANY)
def test_any_address_is_of_both_families(host: str, reuse_port: bool) -> None:  # noqa: FBT001
    with bind(host, 0, reuse_port=reuse_port) as listener:
        port = listener.getsockname()[1]
        assert url_of(listener) == f"http://localhost:{port} (every IPv4 and IPv6 address)"
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), timeout=RETRY_SECONDS).close()


@pytest.mark.parametrize("error", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
@pytest.mark.parametrize("host", ANY)
def test_any_address_is_of_ipv4_where_the_kernel_has_no_other(
    monkeypatch: pytest.MonkeyPatch, host: str, error: int
) -> None:
    create = socket.create_server

    def create_four(*arguments: Any, family: int = socket.AF_INET, **options: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(error, "no IPv6 here")
        return create(*arguments, family=family, **options)

    monkeypatch.setattr(socket, "create_server", create_four)
    with bind(host, 0) as listener:
        port = listener.getsockname()[1]
        assert url_of(listener) == f"http://localhost:{port} (every IPv4 address)"
        socket.create_connection(("127.0.0.1", port), timeout=RETRY_SECONDS).close()


@needs_ipv6
@pytest.mark.parametrize("taken", ["127.0.0.1", "::1"])
def test_any_address_is_taken_if_it_is_taken_in_one_family(taken: str) -> None:
    with bind(taken, 0) as other, pytest.raises(PortTaken, match="Address already in use"):
        bind("::", other.getsockname()[1])


def test_a_name_with_addresses_of_both_families_is_its_ipv4_one() -> None:
    with bind("localhost", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
