"""Child processes that end with their parent, however it ends.

In order: a signal and a wait with a deadline. At the parent's sudden death: the kernel's
PR_SET_PDEATHSIG, set by setpriv. It fires at the death of the forking *thread*, so children are
started from the main thread only. Nothing here knows what the children are.
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
    """Under whose name a child runs: ours, a mapped one in a user namespace, or another user's."""

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
            raise RuntimeError("a child lives as long as the thread that starts it: use the main one")
        self.log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        # setpriv comes after the change of account: the kernel clears the setting with it
        wrapped = [*account.prefix, *_end_with_parent(death_signal), *command]
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 (no shell; we built the command)
                wrapped,
                cwd="/",  # ours may be out of reach for the account
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us: we end the children in order
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
        """Ask, wait, and insist: the process is gone and reaped when this returns."""
        self.send(signal_number)
        self.send(signal.SIGCONT)  # a paused process would not hear it
        try:
            self._process.wait(seconds)
        except BaseException:  # late, or interrupted by a second Ctrl-C: it must go all the same
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(KILL_SECONDS)
            if self.is_running():
                raise

    def output(self) -> str:
        """What this process has written so far."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")


def run_command(
    command: Sequence[str], *, environ: Mapping[str, str], account: Account = OURS
) -> subprocess.CompletedProcess[str]:
    """Run a short command to its end; its output is in the result, whatever its exit status."""
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
    """An environment in which no PGHOST, PGDATA or PGRST_* of the caller leads a server astray."""
    return {name: value for name, value in environ.items() if not name.startswith("PG")}


def _end_with_parent(death_signal: str) -> list[str]:
    setpriv = _find_setpriv()
    return [] if setpriv is None else [setpriv, "--pdeathsig", death_signal, "--"]


@cache
def _find_setpriv() -> str | None:
    # Linux only. Elsewhere children end in order, and the next start ends what a crash left over
    setpriv = shutil.which("setpriv", path=SYSTEM_PATH)
    if setpriv is None:
        return None
    probe = [setpriv, "--pdeathsig", "KILL", "--", "true"]  # busybox has a setpriv without it
    known = subprocess.run(probe, capture_output=True, check=False).returncode == 0  # noqa: S603
    return setpriv if known else None
