"""The command line as people run it: a process of its own, or the same `main` in this one, much quicker."""

import contextlib
import io
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from typing_extensions import override

from app.cli import main

POSTGATE = str(Path(sys.executable).with_name("postgate"))
SECONDS = 30.0

# In URLs and settings of these tests; must never come back
PASSWORD = "hunter2-of-the-tests"


@dataclass(frozen=True, slots=True)
class Result:
    status: int
    stdout: str
    stderr: str

    def __post_init__(self) -> None:
        output = self.stdout + self.stderr
        assert "Traceback" not in output, output
        assert PASSWORD not in output, output


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """Without settings of Postgate or of libpq, wherever the tests run."""
    return {name: value for name, value in environ.items() if not name.startswith(("POSTGATE_", "PG"))}


@dataclass(frozen=True, slots=True)
class Console:
    """Runs a verb; `settings` are POSTGATE_* variables by their short names."""

    environ: Mapping[str, str]

    def __call__(self, *arguments: str, stdin: str | bytes = b"", **settings: str) -> Result:
        variables = {f"POSTGATE_{name.upper()}": value for name, value in settings.items()}
        typed = stdin.encode() if isinstance(stdin, str) else stdin
        return self._run(["postgate", *arguments], clean(self.environ) | variables, typed)

    def _run(self, command: list[str], environ: dict[str, str], stdin: bytes) -> Result:
        command[0] = POSTGATE
        done = subprocess.run(
            command, env=environ, input=stdin, capture_output=True, timeout=SECONDS, check=False
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


class QuickConsole(Console):
    """Without the half second that a process takes to import everything."""

    __slots__ = ()

    @override
    def _run(self, command: list[str], environ: dict[str, str], stdin: bytes) -> Result:
        output, errors = io.StringIO(), io.StringIO()
        with (
            patch.object(sys, "argv", command),
            patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
            patch.dict("os.environ", environ, clear=True),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            status = _status_of_main()
        if isinstance(status, str):  # the interpreter would print it
            errors.write(status + "\n")
            status = 1
        return Result(status, output.getvalue(), errors.getvalue())


def _status_of_main() -> int | str:
    try:
        main()
    except SystemExit as exit_:
        return exit_.code or 0
    return 0
