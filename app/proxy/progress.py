"""Whether a slow reader still reads: what waits to be written gets less from one look to the next."""

import asyncio


class Progress:
    """One transport's."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = 0

    def made(self, transport: asyncio.WriteTransport) -> bool:
        """Whether something was taken since the last look."""
        earlier, self._left = self._left, transport.get_write_buffer_size()
        return self._left < earlier
