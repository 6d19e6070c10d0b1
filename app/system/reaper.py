"""The duty of process 1 of a container: processes that outlive their parents become its children, and stay
zombies until it takes their status.

In other processes it does nothing. Workers are left to multiprocessing, which waits for them.
"""

import multiprocessing
import os
import signal
from contextlib import suppress
from types import FrameType


def become_subreaper() -> None:
    """Reap each orphan that exits, if this is process 1."""
    if os.getpid() == 1:
        signal.signal(signal.SIGCHLD, _reap)
        _reap()


def _reap(_number: int = signal.SIGCHLD, _frame: FrameType | None = None) -> None:
    own = {child.pid for child in multiprocessing.active_children()}
    with suppress(ChildProcessError):
        # WNOWAIT: the status of a worker is left for its supervisor
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in own:
                return
            os.waitpid(ended.si_pid, 0)
