"""What a gateway inherits from whatever starts it: signals, limits, umask, locale, time zone, variables."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from harness.relay.deadlines import wait_until
from harness.site.console import clean

from app.devstack import DevStack, free_port
from app.devstack.ports import responds_ok

SECONDS = 60
STOPS = [signal.SIGTERM, signal.SIGINT]


def nothing() -> None:
    """As it is."""


def ignored_signals() -> None:
    """As a shell without job control starts background jobs, nohup what it starts, and some parents all."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


def blocked_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD})


def bare() -> None:
    """Few files, no core, no standard input, another folder, and files that nobody could read."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o777)
    os.close(0)
    os.chdir("/")


def open_umask() -> None:
    os.umask(0)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    "inherited",
    [ignored_signals, blocked_signals, bare, open_umask],
    ids=lambda inherited: inherited.__name__,
)
def test_a_gateway_serves_and_ends_whatever_it_inherits(
    environ: Mapping[str, str], stack: DevStack, tmp_path: Path, inherited: Callable[[], None], workers: str
) -> None:
    number = STOPS[inherited is blocked_signals]
    serve_and_stop(clean(environ), stack, tmp_path, number=number, inherited=inherited, workers=workers)


PROXY = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "https_proxy"), "http://127.0.0.1:1")
LIBPQ = {"PGHOST": "/nowhere", "PGPORT": "1", "PGUSER": "x", "PGDATABASE": "x"}
VARIABLES = {
    "of a German desktop": {"LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Kathmandu", **PROXY},
    "of a Turkish one": {"LC_ALL": "tr_TR.UTF-8", **LIBPQ},
    "of a container": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": "/nonexistent"},
    "for speed": {"PYTHONOPTIMIZE": "2", "PYTHONDONTWRITEBYTECODE": "1"},
}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_gateway_serves_and_ends_whatever_its_environment(
    environ: Mapping[str, str], stack: DevStack, tmp_path: Path, name: str
) -> None:
    serve_and_stop({**clean(environ), **VARIABLES[name]}, stack, tmp_path, number=signal.SIGINT)


def serve_and_stop(
    environ: Mapping[str, str],
    stack: DevStack,
    folder: Path,
    *,
    number: signal.Signals,
    inherited: Callable[[], None] = nothing,
    workers: str = "1",
) -> None:
    admin_port = free_port()
    ports = {"POSTGATE_PORT": str(free_port()), "POSTGATE_ADMIN_PORT": str(admin_port)}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"],
            env={**environ, **stack.gateway_environ(), **ports, "POSTGATE_WORKERS": workers},
            stdout=output,
            stderr=output,
            preexec_fn=inherited,  # noqa: PLW1509
        )
    try:
        wait_until(
            lambda: process.poll() is not None or responds_ok(admin_port, "/ready"), "/ready", seconds=SECONDS
        )
        assert process.poll() is None, log.read_text()
        process.send_signal(number)
        assert process.wait(SECONDS) == 0, log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait()
