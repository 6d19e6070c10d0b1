"""A gateway's ears: what is notified of ended sessions, and how to know that all of it has come."""

import asyncio
import json
from typing import Any, Self

from .visitors import Connection

CHANNEL = "postgate_session_ended"
END = "test_end"
DEADLINE_SECONDS = 10


class Ears:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    @classmethod
    async def open(cls, connection: Connection) -> Self:
        ears = cls(connection)
        for channel in (CHANNEL, END):
            await connection.add_listener(channel, ears._hear)
        return ears

    def _hear(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._heard.put_nowait((channel, str(payload)))

    async def texts(self) -> list[str]:
        """The payloads since the last time, in the order of the commits."""
        await self._connection.execute(f"notify {END}")  # whatever came before it is heard before it
        texts = []
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (told := await self._heard.get())[0] != END:
                texts.append(told[1])
        return texts

    async def told(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in await self.texts()]
