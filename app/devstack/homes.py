"""The place and the account of a cluster, decided at each start from its folder and the user.

Normally the data is in the folder. It is elsewhere only for root in a container without user namespaces, with
a folder that no other account can enter; then a link in the folder names the place.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app.devstack.accounts import change_owner, choose_account, server_accounts
from app.devstack.children import Account, run_command
from app.devstack.errors import StackUnavailable
from app.devstack.programs import PostgresPrograms

OUTSIDE = Path("/var/tmp")  # noqa: S108 (a 0700 mkdtemp below it; survives a reboot)


@dataclass(frozen=True, slots=True)
class Home:
    data: Path
    account: Account
    programs: PostgresPrograms


def settle(folder: Path, programs: PostgresPrograms, *, environ: Mapping[str, str]) -> Home:
    """The place of the cluster of this folder. Its data folder may not exist yet."""
    account = choose_account(folder, programs.postgres, environ=environ)
    if account is None:
        return _settle_outside(folder / "postgres", programs, environ=environ)
    home = Home(data=folder / "postgres", account=account, programs=programs)
    if home.data.exists():
        change_owner(home.data, account)
    return home


def delete(folder: Path) -> None:
    """Delete the folder and its cluster."""
    data = folder / "postgres"
    if data.is_symlink():
        shutil.rmtree(data.readlink().parent, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _settle_outside(link: Path, programs: PostgresPrograms, *, environ: Mapping[str, str]) -> Home:
    account = next(_unprivileged(environ), None)
    if account is None:
        raise StackUnavailable(
            "Postgres refuses to run as root, and no other account is usable: start as an ordinary user."
        )
    if link.exists() and not link.is_symlink():
        raise StackUnavailable(
            f"Postgres refuses to run as root, and no other account can enter {link}: start as the user who "
            "created it, or delete it."
        )
    if not link.is_symlink() or not _is_private(link.readlink().parent, account):
        link.unlink(missing_ok=True)
        link.symlink_to(Path(tempfile.mkdtemp(prefix="postgate-", dir=OUTSIDE), "postgres"))
    outside = link.readlink().parent
    reachable = run_command(["test", "-x", str(programs.postgres)], environ=environ, account=account)
    if reachable.returncode != 0:
        programs = _copy_programs(programs, outside / programs.version)
    change_owner(outside, account)
    return Home(data=link.readlink(), account=account, programs=programs)


def _unprivileged(environ: Mapping[str, str]) -> Iterator[Account]:
    for account in server_accounts():
        if run_command(["true"], environ=environ, account=account).returncode == 0:
            yield account


def _is_private(folder: Path, account: Account) -> bool:
    # every user can write to /var/tmp, so the folder may be another user's
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_IMODE(found.st_mode) == stat.S_IRWXU and found.st_uid in (
        os.geteuid(),
        account.user_id,
    )


def _copy_programs(programs: PostgresPrograms, target: Path) -> PostgresPrograms:
    """Copies the whole tree, because Postgres finds its libraries and files by relative paths."""
    copied = replace(programs, folder=target / "bin")
    if not copied.postgres.exists():
        unfinished = target.with_name(target.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(programs.folder.parent, unfinished, symlinks=True)
        unfinished.rename(target)
    return copied
