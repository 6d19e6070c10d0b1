"""The core is values in, values out: no test of it may open a socket."""

import socket
from collections.abc import Iterator

import pytest


class _NoSocket:
    def __init__(self, *_: object, **__: object) -> None:
        raise AssertionError("a test of the core opened a socket")


@pytest.fixture(scope="module", autouse=True)
def no_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", _NoSocket)
        yield
