"""A real Valkey or Redis on a socket of its own, to count in, to pause and to end."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

SERVERS = ("valkey-server", "redis-server")
START_SECONDS = 30.0


class StoreServer:
    """One server, without anything on disk."""

    def __init__(self, folder: Path, program: str) -> None:
        self.socket = folder / "store.sock"
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        options = {"port": "0", "unixsocket": str(self.socket), "save": "", "appendonly": "no"}
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([self._program, *arguments], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, "the store does not start"
            time.sleep(0.01)

    def stop(self) -> None:
        """End it without a word; what it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.socket.unlink(missing_ok=True)
            self._process = None

    def pause(self) -> None:
        """Have it accept and never answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def ask(self, *words: str) -> bytes:
        """The answer to a command, as it comes (https://valkey.io/topics/protocol/)."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(START_SECONDS)
            client.connect(str(self.socket))
            client.sendall((" ".join(words) + "\r\nQUIT\r\n").encode())
            return b"".join(iter(lambda: client.recv(65_536), b""))

    def keys(self) -> list[str]:
        lines = self.ask("KEYS", "*").decode().split("\r\n")
        return [line for line in lines if line.startswith("postgate:")]

    def _answers(self) -> bool:
        try:
            return self.ask("PING").startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def store_server() -> Iterator[StoreServer]:
    """A server that runs; skips the test where there is none."""
    program = next(filter(None, map(shutil.which, SERVERS)), None)
    if program is None:
        pytest.skip("needs valkey-server or redis-server on PATH (Debian: apt-get install redis-server)")
    with TemporaryDirectory(prefix="store-") as folder:
        server = StoreServer(Path(folder), program)
        server.start()
        try:
            yield server
        finally:
            server.stop()
