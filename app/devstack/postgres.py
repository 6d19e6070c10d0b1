"""One Postgres cluster: created once, started, stopped, broken by tests, and repaired at the next start.

It listens on a Unix socket only and trusts every connection: the 0700 folder around the socket is the only
protection.
"""

import os
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from app.devstack.accounts import change_owner
from app.devstack.children import Child, run_command, without_postgres_settings
from app.devstack.errors import StackUnavailable
from app.devstack.homes import Home

SUPERUSER = "postgres"
START_SECONDS = 30.0
POLL_SECONDS = 0.005

INITDB_OPTIONS = (
    f"--username={SUPERUSER}",
    "--auth=trust",
    "--encoding=UTF8",
    "--no-sync",
    "--no-instructions",
    "--wal-segsize=1",  # megabytes: a small folder is quick to fill and to copy
)
SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "1GB",
    "jit": "off",
    "log_timezone": "UTC",
}
# For temporary data. Commits still survive the end of the process
CARELESS_SETTINGS = {"fsync": "off", "full_page_writes": "off"}

STATUS_LINE = 7  # the line of postmaster.pid with the state ("ready   ")
LEFTOVERS = "pre-existing shared memory block"


class Postgres:
    def __init__(
        self,
        home: Home,
        *,
        socket_folder: Path,
        log: Path,
        environ: Mapping[str, str],
        durable: bool,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.version = home.programs.version
        self.socket_folder = socket_folder
        self.log = log
        self._home = home
        self._environ = without_postgres_settings(environ)
        self._settings = {
            **SERVER_SETTINGS,
            **({} if durable else CARELESS_SETTINGS),
            "unix_socket_directories": str(socket_folder),
            **(settings or {}),
        }
        self._child: Child | None = None

    @property
    def data(self) -> Path:
        return self._home.data

    def is_running(self) -> bool:
        return self._child is not None and self._child.is_running()

    @property
    def pid(self) -> int:
        if self._child is None:
            raise RuntimeError("Postgres is not started")
        return self._child.pid

    def start(self, *, template: Path | None = None) -> None:
        """Start, and return when ready for connections. Creates the cluster if there is none.

        With a template, the cluster is a copy of it; the first caller creates the template.
        """
        if not (self.data / "PG_VERSION").exists():
            if template is not None and template.exists():
                self._copy_cluster(template, self.data)
            else:
                self._make_cluster()
                if template is not None:
                    self._copy_cluster(self.data, template)
        self._check_version()
        self._end_leftover()
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._child = child = self._launch()
            while child.is_running() and not self._reports_ready(child):
                if time.monotonic() > deadline:
                    self.stop()
                    raise self._failed("was not ready in time", child)
                time.sleep(POLL_SECONDS)
            if child.is_running():
                return
            # After a kill -9 of the server, its sessions end with a delay
            if LEFTOVERS not in child.output() or time.monotonic() > deadline:
                raise self._failed("did not start", child)
            time.sleep(POLL_SECONDS * 10)

    def stop(self) -> None:
        """A fast shutdown: sessions are cut, commits are kept."""
        self.resume()
        if self._child is not None:
            # SIGTERM would wait for the sessions to end (Postgres manual, "Shutting Down the Server")
            self._child.stop(signal.SIGINT)

    def crash(self) -> None:
        """End at once, as by kill -9: the socket and postmaster.pid stay."""
        if self._child is not None:
            self._child.stop(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Hang: the kernel accepts connections and bytes, and the server does not respond until `resume`."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, signal_number: signal.Signals) -> None:
        if self._child is None or not self._child.is_running():
            return
        self._child.send(signal_number)
        sessions = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for pid in sessions:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal_number)

    def _make_cluster(self) -> None:
        # Created beside it and renamed, so that an incomplete cluster is never used after a kill -9
        unfinished = self.data.with_name(self.data.name + ".new")
        failed = ""
        for locale in ("C.UTF-8", "C"):  # some systems have only the second
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700)
            change_owner(unfinished, self._home.account)
            command = [str(self._home.programs.initdb), *INITDB_OPTIONS, f"--locale={locale}"]
            result = run_command(
                [*command, "-D", str(unfinished)],
                environ=self._environ,
                account=self._home.account,
            )
            if result.returncode == 0:
                unfinished.rename(self.data)
                return
            failed = result.stderr or result.stdout
        raise StackUnavailable(f"initdb of Postgres {self.version} failed: {failed.strip()}")

    def _copy_cluster(self, source: Path, target: Path) -> None:
        unfinished = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(source, unfinished)
        change_owner(unfinished, self._home.account)
        try:
            unfinished.rename(target)
        except OSError:  # another process was faster; its template is the same
            shutil.rmtree(unfinished)

    def _check_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if made_by != str(self._home.programs.major):
            raise StackUnavailable(
                f"{self.data} was made by Postgres {made_by}, and this is {self.version}: "
                f"name the folder of the programs of {made_by} in PG_BIN, or delete the data."
            )

    def _launch(self) -> Child:
        options = [word for item in self._settings.items() for word in ("-c", "=".join(item))]
        return Child(
            [str(self._home.programs.postgres), "-D", str(self.data), *options],
            environ=self._environ,
            log=self.log,
            account=self._home.account,
            death_signal="INT",
        )

    def _reports_ready(self, child: Child) -> bool:
        lines = self._pid_file_lines()
        return (
            len(lines) > STATUS_LINE and lines[0] == str(child.pid) and lines[STATUS_LINE].strip() == "ready"
        )

    def _end_leftover(self) -> None:
        """End a server that outlived its parent, unless its process id belongs to another program.

        The caller holds the lock of the folder, so no other stack runs a server on this data.
        """
        lines = self._pid_file_lines()
        if not lines or not lines[0].isdigit() or not Path("/proc/self").exists():
            return  # Postgres itself detects a stale file
        pid = int(lines[0])
        half_time = time.monotonic() + START_SECONDS / 2
        is_signalled = False
        while self._is_server(pid):
            with suppress(ProcessLookupError):
                if time.monotonic() > half_time:
                    os.kill(pid, signal.SIGKILL)
                elif not is_signalled:
                    os.kill(pid, signal.SIGINT)
                    is_signalled = True
            time.sleep(POLL_SECONDS)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _is_server(self, pid: int) -> bool:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return words[0].endswith(b"postgres") and os.fsencode(self.data) in words

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _failed(self, what: str, child: Child) -> StackUnavailable:
        return StackUnavailable(f"Postgres {self.version} {what}:\n{child.output().strip()}")
