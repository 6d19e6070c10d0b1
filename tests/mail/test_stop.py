"""A gateway that stops while a mail is in flight, as a process."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from harness.relay.deadlines import PATIENCE_SECONDS, wait_until
from harness.site.console import clean

from app.devstack import Database, DevStack, free_port

from .outboxes import enqueue, states
from .server import MailServer, mail_server


class HeldServer:
    """An SMTP server in a thread, which responds to a message when it is released."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.released = threading.Event()
        self.server = MailServer(data=self._hold)
        self.is_listening = threading.Event()
        self.is_over = threading.Event()

    async def _hold(self, _: str) -> str:
        self.arrived.set()
        await asyncio.to_thread(self.released.wait)
        return "250 ok"

    async def serve(self) -> None:
        async with mail_server(self.server):
            self.is_listening.set()
            await asyncio.to_thread(self.is_over.wait)


@pytest.fixture
def held() -> Iterator[HeldServer]:
    server = HeldServer()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    assert server.is_listening.wait(PATIENCE_SECONDS)
    yield server
    server.released.set()
    server.is_over.set()
    thread.join()


@contextmanager
def gateway(
    environ: Mapping[str, str], stack: DevStack, database: Database, port: int
) -> Iterator[subprocess.Popen[str]]:
    settings = {
        **stack.gateway_environ(),
        "POSTGATE_DATABASE_URL": database.gateway_dsn,
        "POSTGATE_PORT": str(free_port()),
        "POSTGATE_ADMIN_PORT": str(free_port()),
        "POSTGATE_SMTP_URL": f"smtp://127.0.0.1:{port}",
        "POSTGATE_MAIL_FROM": "noreply@example.com",
        "POSTGATE_PUBLIC_URL": "http://localhost:8000",
        "POSTGATE_DRAIN_SECONDS": "60",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve"],
        env=clean(environ) | settings,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("is_forced", [False, True], ids=["drained", "forced"])
def test_a_drain_waits_for_the_mail_and_a_forced_stop_does_not(
    environ: Mapping[str, str], stack: DevStack, database: Database, held: HeldServer, *, is_forced: bool
) -> None:
    enqueue(database, "alice@example.org")
    with gateway(environ, stack, database, held.server.port) as process:
        assert held.arrived.wait(PATIENCE_SECONDS)
        process.send_signal(signal.SIGTERM)
        if is_forced:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.3)  # signals within 20 ms count as one
            process.send_signal(signal.SIGTERM)
        else:
            held.released.set()
        _, log = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, log
    expected = "waiting" if is_forced else "sent"
    wait_until(lambda: states(database)["alice@example.org"][0] == expected, "the state of the mail")
    assert ('"mail_sent"' in log) is not is_forced
