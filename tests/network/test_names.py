"""Look-ups of names: shared, each in its own thread, never kept, told in words. The resolver is a fake."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from harness.relay.deadlines import PATIENCE_SECONDS, wait_until

from app.network import Unreachable, open_socket
from app.network.loop import Loop
from app.network.names import NameNotResolved, Names
from app.wiring.pools import authority

pytestmark = pytest.mark.anyio

V4 = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]
SCOPED = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 0, 0, 3))]


class Resolver:
    """Knows every name but those that begin with `bad`; silent for those that begin with `dead`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.silent = threading.Event()

    def __call__(self, host: str, *_: Any) -> list[Any]:
        self.asked.append(host)
        if host.startswith("dead"):
            self.silent.wait(PATIENCE_SECONDS)
        if host.startswith("bad"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return SCOPED if host.startswith("local") else V4


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    resolver = Resolver()
    yield resolver
    resolver.silent.set()


@pytest.fixture
def names(resolver: Resolver) -> Names:
    return Names(resolver)


async def give_up(names: Names, host: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await names.find(host, 80)


async def test_a_name_has_its_addresses_with_the_port(names: Names) -> None:
    assert await names.find("good", 8080) == [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 8080))
    ]


async def test_a_link_local_address_keeps_its_scope(names: Names) -> None:
    [(*_, address)] = await names.find("local", 80)
    assert address == ("fe80::1%3", 80, 0, 3)


async def test_callers_share_one_look_up_whatever_their_ports(names: Names, resolver: Resolver) -> None:
    found = asyncio.gather(*(names.find("dead", port) for port in (1, 2, 3)))
    await asyncio.sleep(0)
    resolver.silent.set()
    assert [info[0][4][1] for info in await found] == [1, 2, 3]
    assert resolver.asked == ["dead"]


async def test_names_without_an_answer_stop_no_other_name(names: Names, resolver: Resolver) -> None:
    for number in range(50):  # more than any pool of threads has
        await give_up(names, f"dead{number}")
    assert await names.find("good", 80)


async def test_who_gives_up_leaves_the_look_up_to_the_others(names: Names, resolver: Resolver) -> None:
    await give_up(names, "dead")
    await give_up(names, "dead")
    later = asyncio.create_task(names.find("dead", 80))
    await asyncio.sleep(0)
    resolver.silent.set()
    assert await later
    assert resolver.asked == ["dead"]


async def test_an_address_is_looked_up_anew_each_time(names: Names, resolver: Resolver) -> None:
    await names.find("good", 80)
    await names.find("good", 80)
    assert resolver.asked == ["good", "good"]


async def test_a_failure_is_not_kept_either(names: Names, resolver: Resolver) -> None:
    for _ in range(2):
        with pytest.raises(NameNotResolved, match="the name bad is unknown"):
            await names.find("bad", 80)
    assert resolver.asked == ["bad", "bad"]


async def test_each_caller_gets_an_error_of_its_own(names: Names) -> None:
    failures: list[object] = await asyncio.gather(
        names.find("bad", 80), names.find("bad", 80), return_exceptions=True
    )
    assert [type(failure) for failure in failures] == [NameNotResolved] * 2
    assert len({id(failure) for failure in failures}) == 2


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, ""), "the name x is unknown"),
        (socket.gaierror(socket.EAI_NODATA, ""), "the name x is unknown"),
        (socket.gaierror(socket.EAI_AGAIN, ""), "the resolver has no response for the name x"),
        (socket.gaierror(socket.EAI_FAIL, ""), "the resolver fails for the name x"),
        (UnicodeError("label empty or too long"), "the name x is unknown"),
    ],
    ids=repr,
)
async def test_a_failure_is_told_in_words(error: Exception, words: str) -> None:
    def fail(*_: object) -> Any:
        raise error

    with pytest.raises(NameNotResolved) as failed:
        await Names(fail).find("x", 80)
    assert failed.value.strerror == words


async def test_look_ups_are_bounded_in_number(resolver: Resolver) -> None:
    names = Names(resolver, most=2)
    await give_up(names, "dead1")
    await give_up(names, "dead2")
    with pytest.raises(NameNotResolved, match="the name good is not looked up: 2 look-ups hang"):
        await names.find("good", 80)
    await give_up(names, "dead2")  # it is under way


async def test_a_limit_on_threads_costs_that_look_up(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(NameNotResolved, match="no thread can be started"):
            await names.find("good", 80)
    assert await names.find("good", 80)


def test_the_end_of_the_loop_waits_for_no_look_up(resolver: Resolver) -> None:
    names = Names(resolver)
    with asyncio.Runner() as runner:
        runner.run(give_up(names, "dead"))
    [thread] = [thread for thread in threading.enumerate() if thread.name == "look-up"]
    assert thread.daemon
    resolver.silent.set()
    wait_until(lambda: not thread.is_alive(), "the look-up to end")  # and nothing is raised in it


# --- what a caller of the pool is told


def run(coroutine: Any, resolver: Resolver) -> Any:
    with asyncio.Runner(loop_factory=Loop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Loop)
        loop.names = Names(resolver)
        return runner.run(coroutine)


def test_a_silent_resolver_is_given_up_after_the_time_for_connecting(resolver: Resolver) -> None:
    with pytest.raises(Unreachable, match=r"^the resolver does not respond for dead within 0\.1 s$"):
        run(open_socket("dead", 80, 0.1), resolver)


def test_an_unknown_name_is_told_at_once(resolver: Resolver) -> None:
    with pytest.raises(Unreachable, match=r"^the name bad is unknown$"):
        run(open_socket("bad", 80, 60), resolver)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://[fe80::1%eth0]:3000", b"[fe80::1]:3000"),
        ("http://[::1]:3000", b"[::1]:3000"),
        ("http://postgrest:3000", b"postgrest:3000"),
        ("unix:/run/a%b", b"localhost"),
    ],
)
def test_a_scope_means_nothing_to_the_upstream(url: str, host: bytes) -> None:
    """RFC 6874 section 4: a scope is not sent in Host."""
    assert authority(url) == host
