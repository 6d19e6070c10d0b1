"""The gateway as people run it: `postgate serve` in a process of its own, ended by SIGTERM."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from app.devstack import free_port, is_port_free
from app.devstack.children import Child
from app.devstack.ports import responds_ok
from harness.relay.deadlines import wait_until

SERVE = [sys.executable, "-m", "app", "serve"]
READY_SECONDS = 60.0
DRAIN_SECONDS = 30.0
PORT_ATTEMPTS = 5
PORT_TAKEN = "Cannot listen"


class GatewayEnded(AssertionError):
    """The process ended before its time."""


class GatewayProcess:
    """One gateway. `settings` are POSTGATE_* variables; the ports are chosen here."""

    def __init__(self, settings: Mapping[str, str], *, environ: Mapping[str, str], log: Path) -> None:
        clean = {name: value for name, value in environ.items() if not name.startswith("POSTGATE_")}
        self._environ = {**clean, **settings}
        self.log = log
        self.port = self.admin_port = 0
        self._child: Child | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def output(self) -> str:
        """Everything on standard output and standard error so far."""
        return self._running.output()

    def start(self, *, ready: bool = True) -> None:
        """Ready when this returns; at least live, where it cannot be ready."""
        for _ in range(PORT_ATTEMPTS):
            self.launch()
            wait_until(lambda: self._has_started(ready=ready), "the start", seconds=READY_SECONDS)
            if self.is_running or PORT_TAKEN not in self.output:
                break
        if not self.is_running:
            raise GatewayEnded(self.output)

    def launch(self) -> None:
        """Start the process and wait for nothing."""
        self.port, self.admin_port = free_port(), free_port()
        ports = {"POSTGATE_PORT": str(self.port), "POSTGATE_ADMIN_PORT": str(self.admin_port)}
        self._child = Child(SERVE, environ={**self._environ, **ports}, log=self.log, death_signal="KILL")

    @property
    def is_running(self) -> bool:
        return self._running.is_running()

    @property
    def exit_status(self) -> int | None:
        return self._running._process.poll()

    @property
    def is_live(self) -> bool:
        return responds_ok(self.admin_port, "/live")

    @property
    def is_ready(self) -> bool:
        return responds_ok(self.admin_port, "/ready")

    def stop(self) -> None:
        """Ask it to end, and see that it does so in order and leaves nothing behind."""
        child = self._running
        members = set(_session_of(child.pid))
        child.stop(signal.SIGTERM, seconds=DRAIN_SECONDS)
        assert self.exit_status == 0, f"exit status {self.exit_status}\n{self.output}"
        # A helper of Python's multiprocessing ends when it notices that nobody is left
        wait_until(lambda: not members & set(_session_of(child.pid)), "the end of its processes")
        assert is_port_free(self.port)
        assert is_port_free(self.admin_port)
        assert "Traceback" not in self.output, self.output

    def kill(self) -> None:
        """End it without a word: for a process that has already had its say."""
        if self._child is not None:
            self._child.stop(signal.SIGKILL)

    def _has_started(self, *, ready: bool) -> bool:
        return (self.is_ready if ready else self.is_live) or not self.is_running

    @property
    def _running(self) -> Child:
        assert self._child is not None, "not started"
        return self._child


def _session_of(leader: int) -> list[int]:
    """The processes of the session that the leader began."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(entry.name))
    return found
