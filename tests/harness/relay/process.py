"""The gateway in a process of its own: for signals, for memory, for what a crash would take with it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.devstack.ports import free_port
from harness.relay.answers import AnswerCut
from harness.relay.client import Client, request
from harness.relay.deadlines import NeverCame, wait_until
from harness.relay.gateway import DEAD_DATABASE
from harness.relay.tokens import SECRET

_REPOSITORY = Path(__file__).parents[3]
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ATTEMPTS = 5
_PROGRAM = """
import resource, sys
from app.server.serving import serve
from app.settings import load_settings

files = int(sys.argv[1])
if files:
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
serve(load_settings())
"""


@dataclass
class GatewayProcess:
    """A gateway that runs by itself."""

    process: subprocess.Popen[bytes]
    port: int
    admin_port: int
    log: Path
    clients: list[Client] = field(default_factory=list)

    @property
    def rss(self) -> int:
        """Resident memory, in bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE

    @property
    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def client(self, *, receive_buffer: int = 0) -> Client:
        client = Client(self.port, receive_buffer=receive_buffer)
        self.clients.append(client)
        return client

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def signal_group(self, number: signal.Signals) -> None:
        """Signal every process of a gateway that was started `in_group`, as a terminal does."""
        os.killpg(self.process.pid, number)

    def wait(self) -> int:
        """Its exit status, when it has ended."""
        wait_until(lambda: self.process.poll() is not None, "the gateway to end")
        return self.process.returncode


@contextmanager
def gateway_process(
    upstream_url: str,
    *,
    files: int = 0,
    port: int = 0,
    environment: Mapping[str, str] | None = None,
    in_group: bool = False,
    **settings: object,
) -> Iterator[GatewayProcess]:
    """Run app/server. `files`: how many it may open. `port`: one that it shares with others.

    `in_group`: in a process group of its own.
    """
    given = {"database_url": DEAD_DATABASE, "postgrest_url": upstream_url, "jwt_secret": SECRET, **settings}
    variables = {
        "PATH": os.defpath,
        **(environment or {}),
        **{f"POSTGATE_{name.upper()}": str(value) for name, value in given.items()},
    }
    with tempfile.NamedTemporaryFile(prefix="gateway-", suffix=".log") as log:
        running = _start(variables, files, Path(log.name), port, in_group=in_group)
        try:
            yield running
        finally:
            for client in running.clients:
                client.close()
            running.process.kill()
            running.process.wait()


def _start(
    variables: Mapping[str, str], files: int, log: Path, shared_port: int, *, in_group: bool
) -> GatewayProcess:
    """Start on free ports; on others, when somebody took them between the look and the use."""
    for _ in range(_ATTEMPTS):
        port, admin_port = shared_port or free_port(), free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(files)],
                cwd=_REPOSITORY,
                env={**variables, "POSTGATE_PORT": str(port), "POSTGATE_ADMIN_PORT": str(admin_port)},
                stdout=output,
                stderr=output,
                process_group=0 if in_group else None,
            )
        running = GatewayProcess(process, port, admin_port, log)
        wait_until(lambda: process.poll() is not None or _serves(port), "the gateway to start", seconds=60)  # noqa: B023
        if process.poll() is None:
            return running
        assert "PortTaken" in log.read_text(), f"it did not start: {log.read_text()}"
    raise AssertionError("no free port")


def _serves(port: int) -> bool:
    """Sockets listen before the gateway serves: the first answer is the sign."""
    try:
        with Client(port) as client:
            client.send(request("GET", "/nowhere", token=None))
            return client.answer().status == 401
    except (OSError, NeverCame, AnswerCut):  # a busy machine may take longer than one look waits
        return False
