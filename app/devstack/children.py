"""Child processes that end with their parent.

Normally by a signal, and a wait with a deadline. If the parent is killed, by the kernel's PR_SET_PDEATHSIG,
set by setpriv. It is sent when the forking *thread* ends, so only the main thread starts children.
"""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

KILL_SECONDS = 5.0
COMMAND_SECONDS = 60.0
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Account:
    """The user of a child: ours, a mapped one in a user namespace, or another one."""

    prefix: tuple[str, ...] = ()
    user_id: int | None = None
    group_id: int | None = None


OURS = Account()


class Child:
    """One running server, with its output in a log file."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        log: Path,
        account: Account = OURS,
        death_signal: Literal["INT", "TERM", "KILL"] = "KILL",
    ) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a child ends with the thread that starts it: use the main thread")
        self.log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        # setpriv runs after the change of account, with which the kernel clears the setting
        wrapped = [*account.prefix, *_end_with_parent(death_signal), *command]
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 (no shell; we built the command)
                wrapped,
                cwd="/",  # the account may lack access to our directory
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches only this process, which stops the children in order
                user=account.user_id,
                group=account.group_id,
                extra_groups=None if account.user_id is None else [],
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def send(self, signal_number: signal.Signals) -> None:
        if self.is_running():
            self._process.send_signal(signal_number)

    def stop(self, signal_number: signal.Signals, *, seconds: float = KILL_SECONDS) -> None:
        """Send the signal, wait, then kill: the process has ended and is reaped when this returns."""
        self.send(signal_number)
        self.send(signal.SIGCONT)  # a paused process would not handle it
        try:
            self._process.wait(seconds)
        except BaseException:  # too late, or interrupted by a second Ctrl-C
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(KILL_SECONDS)
            if self.is_running():
                raise

    def output(self) -> str:
        """The output of this process so far."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")


def run_command(
    command: Sequence[str], *, environ: Mapping[str, str], account: Account = OURS
) -> subprocess.CompletedProcess[str]:
    """Run a short command to its end, with any exit status; its output is in the result."""
    return subprocess.run(  # noqa: S603 (no shell; we built the command)
        [*account.prefix, *_end_with_parent("KILL"), *command],
        cwd="/",
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=COMMAND_SECONDS,
        check=False,
        user=account.user_id,
        group=account.group_id,
        extra_groups=None if account.user_id is None else [],
    )


def without_postgres_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without variables of Postgres and PostgREST, such as PGHOST and PGRST_*."""
    return {name: value for name, value in environ.items() if not name.startswith("PG")}


def _end_with_parent(death_signal: str) -> list[str]:
    setpriv = _find_setpriv()
    return [] if setpriv is None else [setpriv, "--pdeathsig", death_signal, "--"]


@cache
def _find_setpriv() -> str | None:
    # Linux only. Elsewhere, the next start ends the processes that a crash has left
    setpriv = shutil.which("setpriv", path=SYSTEM_PATH)
    if setpriv is None:
        return None
    probe = [setpriv, "--pdeathsig", "KILL", "--", "true"]  # busybox's setpriv lacks the option
    known = subprocess.run(probe, capture_output=True, check=False).returncode == 0  # noqa: S603
    return setpriv if known else None
