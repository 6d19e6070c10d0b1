"""Holding a row of the database, so that what wants it meets everything that comes meanwhile."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import asyncpg

from app.devstack import Database


@contextmanager
def session_held(database: Database, session: str) -> Iterator[None]:
    """While the block lasts nobody can renew or end the session: they wait."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()

    async def hold() -> "asyncpg.Connection[asyncpg.Record]":
        connection = await asyncpg.connect(database.owner_dsn)
        await connection.execute("begin")
        held = await connection.fetch("select from auth.session where id = $1::uuid for update", session)
        assert len(held) == 1
        return connection

    try:
        connection = asyncio.run_coroutine_threadsafe(hold(), loop).result()
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(connection.close(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
