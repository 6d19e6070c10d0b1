"""The time until a started server responds."""

import subprocess
import time
from collections.abc import Mapping

from bench.http1 import Broken, Request, ask, connect
from bench.process import ChildEnded

_DEADLINE_SECONDS = 30.0
_STEP_SECONDS = 0.002


def wait_until_ready(
    child: subprocess.Popen[bytes], port: int, path: str, headers: Mapping[str, str]
) -> float:
    """Seconds until a GET of `path` gets status 200."""
    start = time.monotonic()
    last = "no connection"
    while (now := time.monotonic()) < start + _DEADLINE_SECONDS:
        if child.poll() is not None:
            raise ChildEnded(f"it ended with status {child.returncode} before it was ready")
        try:
            with connect(port, seconds=5) as connection:
                status = ask(connection, port, Request(path, headers)).status
        except (OSError, Broken, ValueError) as exc:
            last = str(exc)
        else:
            if status == 200:
                return time.monotonic() - start
            last = f"status {status}"
        time.sleep(max(0.0, _STEP_SECONDS - (time.monotonic() - now)))
    raise ChildEnded(f"it was not ready after {_DEADLINE_SECONDS:.0f} s: {last}")
