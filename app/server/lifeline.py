"""Messages between a worker and its supervisor, over a pipe.

The worker reports once that it serves. The supervisor sends `force`. If the supervisor is killed, the pipe
closes and its workers drain.
"""

import asyncio
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

FORCE: Final = b"force"
_READY: Final = b"ready"


class Lifeline:
    """The worker's end of the pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def report_ready(self) -> None:
        """Report that this worker serves."""
        try:
            self._connection.send_bytes(_READY)
        except OSError:  # the supervisor has exited; `watch` handles this
            return

    def watch(self, drain: Callable[[], None], force: Callable[[], None]) -> None:
        """Call `force` in the running loop when the supervisor sends it, `drain` when it has exited."""
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
