"""What every peer is: a name, a reason why it may be missing, a version, and a way to start it."""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.bed import Bed
from bench.process import ChildEnded, Command, free_port, running
from bench.ready import wait_until_ready

# a floor does the work of a gateway but checks nothing; direct is no peer, but the upstream itself; renewal
# and keys are Postgate compared with itself
Kind = Literal["gateway", "floor", "direct", "renewal", "keys"]
PATH = f"{os.defpath}:/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Launch:
    """How to start a peer that shall listen on the port it was given."""

    arguments: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Running:
    """Where to ask and with which credential; `pid` is 0 where there is no process to measure."""

    port: int
    pid: int
    headers: Mapping[str, str]
    prefix: str
    seconds_to_ready: float

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Peer:
    name: str
    title: str
    kind: Kind
    missing: Callable[[], str | None]
    version: Callable[[], str]
    launch: Callable[[Bed, int], Launch] | None
    token: Callable[[Bed], str] = Bed.token  # of the signed-in client

    @property
    def is_itself(self) -> bool:
        """Whether it is Postgate compared with itself."""
        return self.kind in {"renewal", "keys"}

    @contextlib.contextmanager
    def started(self, bed: Bed) -> Iterator[Running]:
        token = self.token(bed)
        if self.launch is None:
            yield Running(bed.upstream.port, 0, {"Authorization": f"Bearer {token}"}, "", 0.0)
            return
        port, headers = free_port(), cookie(token)
        launch = self.launch(bed, port)
        command = Command(launch.arguments, {"PATH": PATH, **launch.environment}, bed.folder)
        log = bed.folder / f"{self.name}.log"
        start = time.monotonic()
        with running(command, log=log, cpu=bed.gateway_cpu) as child:
            try:
                wait_until_ready(child, port, f"/rest{bed.upstream.path}", headers)
            except ChildEnded as exc:
                raise ChildEnded(f"{exc}; it said: {_last_line(log)}") from exc
            yield Running(port, child.pid, headers, "/rest", time.monotonic() - start)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "nothing"


def cookie(token: str) -> Mapping[str, str]:
    return {"Cookie": f"access_token={token}"}


def needs_program(program: str, remedy: str) -> str | None:
    if shutil.which(program, path=PATH):
        return None
    return f"{program} is not installed: {remedy}"


def printed_version(*arguments: str) -> str:
    """The first dotted number that a program prints about itself."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env={"PATH": PATH})
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "unknown"
