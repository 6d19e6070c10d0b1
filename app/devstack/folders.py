"""The contents of a stack's folder besides the data: lock, secret, logs, link to the sockets.

Sockets are outside, because their path may have only about a hundred bytes.
"""

import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.devstack.accounts import change_owner
from app.devstack.children import Account
from app.devstack.errors import StackUnavailable

SECRET_BYTES = 32
RUN_PREFIX = "postgate-"
LONGEST_RUN_FOLDER = 80  # a socket's path may have 103 bytes (macOS) or 107 (Linux)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder for one stack. The kernel releases the lock when the process ends."""
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise StackUnavailable(
                f"Another stack (process {holder}) runs on {folder}: stop it first, or use another folder."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def new_shared_secret() -> str:
    """A secret for HS256, in base64."""
    return b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def read_secret(folder: Path, new: Callable[[], str]) -> str:
    """The JWT secret of the folder, created by `new` at the first use with mode 0600."""
    path = folder / "jwt_secret"
    if not path.exists():
        unfinished = path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        only_ours = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(unfinished, only_ours, 0o600), "wb") as file:
            file.write(new().encode())
        unfinished.rename(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StackUnavailable(f"Other users can read {path}: chmod 600 it, or delete it.")
    return path.read_text().strip()


def fresh_log(path: Path) -> Path:
    """An empty log with mode 0600, because logged statements contain values."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    return path


@contextmanager
def run_folder(folder: Path, account: Account) -> Iterator[Path]:
    """A private folder for sockets, with a short path. Only its mode 0700 protects the trusting server."""
    link = folder / "run"
    _delete_sockets(link)
    base = tempfile.gettempdir()
    if len(base) + len(RUN_PREFIX) > LONGEST_RUN_FOLDER - 10:
        base = "/tmp"  # noqa: S108 (mkdtemp makes it 0700)
    made = Path(tempfile.mkdtemp(prefix=RUN_PREFIX, dir=base))
    link.symlink_to(made)
    try:
        change_owner(made, account)
        yield made
    finally:
        _delete_sockets(link)


def _delete_sockets(link: Path) -> None:
    """Delete the folder for sockets that the link names: ours, or one that a kill -9 has left."""
    if link.is_symlink():
        made = link.readlink()
        if made.name.startswith(RUN_PREFIX) and not made.is_symlink():
            shutil.rmtree(made, ignore_errors=True)
        link.unlink()
