"""The demo as a whole process: what it refuses, and that it leaves nothing behind, however it ends."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typing_extensions import override

from app.devstack import DemoOptions, Programs, StackUnavailable, free_port, is_port_free, run_demo
from system.devstack_parent import migrate
from system.devstack_parts import WAIT_SECONDS, eventually

PARENT = Path(__file__).with_name("devstack_parent.py")


@dataclass
class Demo:
    process: subprocess.Popen[str]
    settings: dict[str, str]
    servers: set[int]  # every process below it when it was ready

    @property
    def run_folder(self) -> Path:
        return Path(self.settings["POSTGATE_POSTGREST_URL"].removeprefix("unix:")).parent


StartDemo = Callable[[Path], Demo]


@pytest.fixture
def start_demo(programs: Programs, programs_folder: Path) -> Iterator[StartDemo]:
    started: list[subprocess.Popen[str]] = []
    folders: list[Path] = []

    def start(folder: Path) -> Demo:
        process = subprocess.Popen(
            [sys.executable, PARENT, folder, programs_folder, str(free_port())],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        demo = Demo(process, json.loads(process.stdout.readline()), descendants(process.pid))
        folders.append(demo.run_folder)
        return demo

    yield start
    for process in started:
        process.kill()
        process.communicate()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def stat(pid: int) -> tuple[str, int] | None:
    """State and parent of a process, or None if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1])


def descendants(ancestor: int) -> set[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    parents = {pid: found[1] for pid in pids if (found := stat(pid)) is not None}
    family = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return family - {ancestor}


def is_gone(pid: int) -> bool:
    found = stat(pid)
    return found is None or found[0] == "Z"  # its new parent has not fetched it yet


@pytest.mark.parametrize(
    "ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_a_demo_that_is_asked_to_end_leaves_nothing_behind(
    start_demo: StartDemo, tmp_path: Path, ending: signal.Signals
) -> None:
    demo = start_demo(tmp_path / "demo")
    assert len(demo.servers) >= 3  # postgres, one of its helpers, postgrest

    demo.process.send_signal(ending)

    assert demo.process.wait(WAIT_SECONDS) == 0
    assert all(is_gone(pid) for pid in demo.servers)
    assert not demo.run_folder.exists()


def test_a_demo_that_is_killed_leaves_no_process(start_demo: StartDemo, tmp_path: Path) -> None:
    demo = start_demo(tmp_path / "demo")
    demo.process.kill()
    eventually(lambda: all(is_gone(pid) for pid in demo.servers))


def test_a_demo_starts_again_as_soon_as_the_one_before_is_killed(
    start_demo: StartDemo, tmp_path: Path
) -> None:
    first = start_demo(tmp_path / "demo")
    first.process.kill()
    first.process.wait(WAIT_SECONDS)

    second = start_demo(tmp_path / "demo")  # the servers of the first may still be ending

    assert second.settings["POSTGATE_JWT_SECRET"] == first.settings["POSTGATE_JWT_SECRET"]
    assert second.run_folder.exists()
    assert not first.run_folder.exists()


def test_a_demo_that_is_killed_with_its_database_starts_again(start_demo: StartDemo, tmp_path: Path) -> None:
    first = start_demo(tmp_path / "demo")
    pid_file = tmp_path / "demo/postgres/postmaster.pid"
    os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
    first.process.kill()
    first.process.wait(WAIT_SECONDS)
    assert pid_file.exists()

    start_demo(tmp_path / "demo")


def test_a_demo_works_below_a_home_that_nobody_else_may_enter(start_demo: StartDemo, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    demo = start_demo(home / "clone/.postgate")
    assert demo.servers


@contextmanager
def listening(family: socket.AddressFamily, address: str) -> Iterator[int]:
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind((address, 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")],  # noqa: S104
)
def test_a_taken_port_is_said_before_anything_is_made(
    tmp_path: Path, family: socket.AddressFamily, address: str
) -> None:
    async def migrate(_: str) -> None:
        pytest.fail("the database was touched")

    with listening(family, address) as port:
        options = DemoOptions(port=port, folder=tmp_path / "demo")
        with pytest.raises(StackUnavailable, match=rf"Port {port} is in use: .*make demo PORT=\d+"):
            run_demo(options, environ={}, say=print, migrate=migrate, serve=lambda _: None)
    assert not (tmp_path / "demo").exists()
    assert is_port_free(port)


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    @override
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def ready(port: int) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", port), Ready) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_a_demo_says_what_to_try_once_the_gateway_listens(
    programs: Programs, programs_folder: Path, environ: Mapping[str, str], tmp_path: Path
) -> None:
    said: list[str] = []
    options = DemoOptions(port=free_port(), folder=tmp_path / "demo", programs=programs_folder)

    def serve(settings: Mapping[str, str]) -> None:
        assert "curl" not in said[-1]
        with ready(int(settings["POSTGATE_ADMIN_PORT"])):
            eventually(lambda: "curl" in said[-1])
        assert settings["POSTGATE_COOKIE_SECURE"] == "never"
        assert "POSTGATE_JWT_SECRET_FILE" not in settings

    run_demo(
        options,
        environ={**environ, "POSTGATE_COOKIE_SECURE": "never", "POSTGATE_JWT_SECRET_FILE": "/nowhere"},
        say=said.append,
        migrate=migrate,
        serve=serve,
    )

    text = "\n".join(said)
    assert f"Postgres {programs.postgres.version} ready in" in text
    assert f"http://localhost:{options.port}/rpc/login" in text
    assert '{"user_":"demo","pass":"demo"}' in text
