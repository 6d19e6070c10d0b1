"""The account of Postgres: it refuses to run as root, and needs a user that the system knows.

In order of preference: our own account; our own under another name in a user namespace (no account, no chown,
works below a 0700 home); as root without namespaces, an account that owns the data.
"""

import os
import pwd
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from app.devstack.children import OURS, SYSTEM_PATH, Account, run_command

NOBODY_ID = 65534
SERVER_USERS = ("postgres", "nobody")


def choose_account(needed: Path, server: Path, *, environ: Mapping[str, str]) -> Account | None:
    """The first account that can enter the folder `needed` and run the program `server`."""
    if os.geteuid() != 0 and _is_known(os.geteuid()):
        return OURS
    for account in _candidates(needed):
        reach = ["test", "-x", str(needed), "-a", "-x", str(server)]
        if run_command(reach, environ=environ, account=account).returncode == 0:
            return account
    return None


def change_owner(folder: Path, account: Account) -> None:
    """Give a folder and its contents to the account, if it is another user's."""
    if account.user_id is None or account.group_id is None:
        return
    for parent, _, files in os.walk(folder):
        os.chown(parent, account.user_id, account.group_id)
        for name in files:
            os.chown(Path(parent, name), account.user_id, account.group_id, follow_symlinks=False)


def _candidates(needed: Path) -> Iterator[Account]:
    unshare = shutil.which("unshare", path=SYSTEM_PATH)
    if unshare is not None:
        maps = (f"--map-user={NOBODY_ID}", f"--map-group={NOBODY_ID}")
        yield Account(prefix=(unshare, "--user", *maps, "--"))
    if os.geteuid() != 0:
        return
    for folder in (needed, *needed.parents):  # `sudo make demo` in a private home: its owner has access
        owner = folder.stat()
        if owner.st_uid != 0:
            yield Account(user_id=owner.st_uid, group_id=owner.st_gid)
            break
    yield from server_accounts()


def server_accounts() -> Iterator[Account]:
    """The accounts under which root may run a server."""
    for name in SERVER_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        yield Account(user_id=entry.pw_uid, group_id=entry.pw_gid)


def _is_known(user_id: int) -> bool:
    try:
        pwd.getpwuid(user_id)
    except KeyError:  # in a container started with --user 12345, which initdb rejects
        return False
    return True
