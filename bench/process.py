"""Child processes of a measurement: start, stop by pid, and read their cost from /proc.

Linux only.
"""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Command:
    """A command; `environment` is the complete environment of the child."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path


class ChildEnded(RuntimeError):
    """A server ended during a measurement."""


@contextlib.contextmanager
def running(command: Command, *, log: Path, cpu: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` until the block ends; pinned to one core when `cpu` is given."""
    # taskset, because sched_setaffinity does not change existing threads
    pinned = ["taskset", "-c", str(cpu)] if cpu is not None else []
    with log.open("ab") as output:
        child = subprocess.Popen(
            [*pinned, *command.arguments],
            env=dict(command.environment),
            cwd=command.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield child
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes]) -> None:
    members = tree(child.pid)
    if child.poll() is None:
        child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_STOP_SECONDS)
    # the rest of the tree: a peer that does not stop, or workers that outlived their parent
    for pid in members if child.returncode is None else members[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    child.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tree(pid: int) -> list[int]:
    """`pid` and all its living descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found.extend(int(child) for child in children.read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the process tree, ended children included."""
    return sum(_ticks(member) for member in tree(pid)) / _TICKS_PER_SECOND


def _ticks(pid: int) -> int:
    with contextlib.suppress(OSError):
        return parse_ticks(Path(f"/proc/{pid}/stat").read_text())
    return 0


def parse_ticks(stat: str) -> int:
    """utime + stime + cutime + cstime of a /proc/PID/stat line (proc(5), fields 14 to 17)."""
    # the command name (field 2) may contain blanks and parentheses: count from the last one
    fields = stat.rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15])


def proportional_bytes(pid: int) -> int:
    """PSS of the process tree: shared pages counted once."""
    return sum(_kilobytes(f"/proc/{member}/smaps_rollup", "Pss:") for member in tree(pid)) * 1024


def resident_bytes(pid: int) -> int:
    return sum(_kilobytes(f"/proc/{member}/status", "VmRSS:") for member in tree(pid)) * 1024


def peak_resident_bytes(pid: int) -> int:
    """Highest RSS of each process since `reset_peak`, added up."""
    return sum(_kilobytes(f"/proc/{member}/status", "VmHWM:") for member in tree(pid)) * 1024


def reset_peak(pid: int) -> None:
    for member in tree(pid):
        Path(f"/proc/{member}/clear_refs").write_text("5")


def _kilobytes(path: str, key: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(path).read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1])
    return 0
