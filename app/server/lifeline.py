"""What a worker and its supervisor say to each other, over a pipe that both hold open.

The worker says once that it serves. The supervisor says when to end at once. The pipe closes when the
supervisor was killed: its workers drain then.
"""

import asyncio
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

FORCE: Final = b"force"
_UP: Final = b"up"


class Lifeline:
    """A worker's end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def come_up(self) -> None:
        """Say that this worker serves."""
        try:
            self._connection.send_bytes(_UP)
        except OSError:  # the supervisor is gone, and `watch` hears of it
            return

    def watch(self, drain: Callable[[], None], force: Callable[[], None]) -> None:
        """Call `force` in the running loop when the supervisor says so, and `drain` when it is gone."""
        loop = asyncio.get_running_loop()

        def read() -> None:
            try:
                self._connection.recv_bytes()
            except (EOFError, OSError):
                loop.remove_reader(self._connection.fileno())
                drain()
            else:
                force()

        loop.add_reader(self._connection.fileno(), read)
