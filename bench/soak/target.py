"""The gateway under the soak, and the upstream behind it, as processes: started, watched, killed, asked.

Reads the gateway's memory and files from /proc and its gauges from its metrics.
"""

import contextlib
import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.bed import ROOT, base64_of
from bench.process import ChildEnded, Command, cpu_seconds, free_port, resident_bytes, running, stop
from bench.ready import wait_until_ready
from bench.soak.asks import PREFIX, TUNNEL_PREFIX, Ask

_PROGRAM = Path(sys.executable).with_name("postgate")
_COMPILED = ROOT / "build" / "compiled"
_DEADLINE_SECONDS = 10.0
_SETTLE_SECONDS = 1.0
_PAUSE_SECONDS = 0.05

# Short enough for a soak to reach each of them many times.
_LIMITS = {
    "POSTGREST_POOL": 20,
    "IDLE_SECONDS": 3,
    "HEAD_SECONDS": 2,
    "BODY_STALL_SECONDS": 2,
    "WRITE_STALL_SECONDS": 3,
    "UPSTREAM_IDLE_SECONDS": 1,
    "UPSTREAM_FIRST_BYTE_SECONDS": 3,
    "UPSTREAM_STALL_SECONDS": 3,
    "UPSTREAM_CONNECTIONS": 64,
}


@dataclass(frozen=True)
class Gateway:
    child: subprocess.Popen[bytes]
    port: int
    admin_port: int
    log: Path

    @property
    def is_running(self) -> bool:
        return self.child.poll() is None

    @property
    def memory(self) -> int:
        return resident_bytes(self.child.pid)

    @property
    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.child.pid}/fd").iterdir()))

    @property
    def cpu_seconds(self) -> float:
        return cpu_seconds(self.child.pid)

    def gauges(self) -> dict[str, float]:
        """What the gateway says is open or waiting."""
        asked = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=_DEADLINE_SECONDS)
        try:
            asked.request("GET", "/metrics")
            text = asked.getresponse().read().decode()
        finally:
            asked.close()
        names = ("gateway_client_connections", "gateway_upstream_connections", "gateway_upstream_queued")
        pairs = (line.split(" ") for line in text.splitlines() if line.startswith(names))
        return {name: float(value) for name, value in pairs}

    def wait_quiet(self) -> dict[str, float]:
        """Wait until nothing is open or waiting any more; what is, if it takes too long."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while any((gauges := self.gauges()).values()) and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
        return gauges

    def count_files(self, wanted: int = 0) -> int:
        """Open files once there are at most `wanted`, or as they stay: the last connection takes its time."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while (count := self.open_files) > wanted and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
        return count


class Upstream:
    """The upstream process: killed and started again on the same port."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.port = free_port()
        self.log = folder / "upstream.log"
        self._folder = folder
        self._seed = seed
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait for nothing."""
        arguments = [sys.executable, "-m", "bench.soak.upstream", str(self.port), str(self._seed)]
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                arguments, cwd=ROOT, env={}, stdout=output, stderr=subprocess.STDOUT
            )

    def wait_listening(self) -> None:
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not self._is_listening():
            if time.monotonic() > deadline:
                raise ChildEnded("the upstream does not listen")
            time.sleep(0.01)

    def _is_listening(self) -> bool:
        if self._child is None or self._child.poll() is not None:
            raise ChildEnded(f"the upstream ended: {self.complaints()}")
        try:
            probe = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
            probe.request("GET", Ask().target)
            probe.getresponse().read()
            probe.close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        if self._child is not None:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait()

    def complaints(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()

    def stop(self) -> None:
        if self._child is not None:
            stop(self._child)


@contextlib.contextmanager
def upstream(folder: Path, seed: int) -> Iterator[Upstream]:
    process = Upstream(folder, seed)
    process.start()
    try:
        process.wait_listening()
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def gateway(
    folder: Path, upstream_port: int, secret: str, token: str, *, compiled: bool
) -> Iterator[Gateway]:
    port, admin_port = free_port(), free_port()
    url = f"http://127.0.0.1:{upstream_port}"
    environment = {
        "POSTGATE_PORT": str(port),
        "POSTGATE_ADMIN_PORT": str(admin_port),
        "POSTGATE_DATABASE_URL": "postgresql://gateway@127.0.0.1:1/none",
        "POSTGATE_POSTGREST_URL": url,
        "POSTGATE_JWT_SECRET": base64_of(secret),
        "POSTGATE_ROUTES": f"{TUNNEL_PREFIX}/ {url} required websocket",
        **{f"POSTGATE_{name}": str(value) for name, value in _LIMITS.items()},
        **({"PYTHONPATH": str(_COMPILED)} if compiled else {}),
    }
    log = folder / "gateway.log"
    with running(Command([str(_PROGRAM), "serve"], environment, folder), log=log) as child:
        try:
            wait_until_ready(child, port, PREFIX + Ask().target, {"Cookie": f"access_token={token}"})
        except ChildEnded as ended:
            raise ChildEnded(f"{ended}: {log.read_text(errors='replace')[-2_000:]}") from None
        yield Gateway(child, port, admin_port, log)
