"""Another JWT secret, where gateway and PostgREST read it: a new key that signs, and the one before.

The file is replaced as a whole, in the form in which it was: what was base64 is base64 again, or PostgREST,
which learns of that form at its start alone, could not read it.
"""

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from app.operator.new_keys import made_at, new_jwk
from app.settings.keys import Jwk, KeyRing, read_ring, write_ring

MOST_BYTES: Final = 65_536
# So long an access token may live that the key before the last has signed.
TOKEN_LIFE: Final = timedelta(minutes=10)

Change = Callable[[KeyRing, datetime], str]


class RotationRefused(Exception):
    """The secret is as it was; the text says why."""


def rotated(ring: KeyRing, now: datetime, algorithm: str = "") -> str:
    """A set with a new first key, of the present one's algorithm by default, and the present one behind it.

    Public keys, of other signers, stay. Raises RotationRefused.
    """
    if len(_signers(ring)) > 1 and now - _since(ring) < TOKEN_LIFE:
        raise RotationRefused(
            "The last rotation is less than ten minutes old: tokens of the key that would go are still good. "
            "Wait until they have expired, or drop that key first with --drop-old."
        )
    new = new_jwk(algorithm or ring.signing.algorithms[0], now)
    return _write(ring, [new, _entry(ring, ring.signing_index)])


def without_old(ring: KeyRing, _now: datetime) -> str:
    """The key that signs, and the public keys of other signers."""
    if len(_signers(ring)) == 1:
        return ring.text
    return _write(ring, [_entry(ring, ring.signing_index)])


def read_place(path: Path | None, text: str, *, is_base64: bool) -> KeyRing:
    """The keys of a file, or else of a text. Raises RotationRefused."""
    if path is not None:
        try:
            text, _ = _read(path)
        except OSError as error:
            raise RotationRefused(_sentence(path, error)) from error
    elif not text:
        raise RotationRefused("Name the file with the secret, or set POSTGATE_JWT_SECRET_FILE.")
    return _ring(text, is_base64=is_base64)


def change_text(text: str, change: Change, *, is_base64: bool) -> str:
    """The secret that comes of this one. Raises RotationRefused."""
    return change(_ring(text, is_base64=is_base64), datetime.now(UTC))


def change_file(path: Path, change: Change, *, is_base64: bool) -> bool:
    """Replace the secret in a file, which keeps its mode and owner; whether it is another one now.

    Raises RotationRefused.
    """
    try:
        with _locked(path.parent):
            text, found = _read(path)
            changed = change_text(text, change, is_base64=is_base64)
            if changed != text:
                _replace(path, changed, found)
    except OSError as error:
        raise RotationRefused(_sentence(path, error)) from error
    return changed != text


def _ring(text: str, *, is_base64: bool) -> KeyRing:
    try:
        return read_ring(text, is_base64=is_base64)
    except ValueError as error:
        raise RotationRefused(f"The secret {'; it '.join(str(error).splitlines())}.") from None


def _signers(ring: KeyRing) -> list[int]:
    return [index for index, key in enumerate(ring.keys) if key.can_sign]


def _since(ring: KeyRing) -> datetime:
    return made_at(ring.signing.key_id or "") or datetime.min.replace(tzinfo=UTC)


def _entry(ring: KeyRing, index: int) -> Jwk:
    """A key as it was written, bound to its algorithm."""
    algorithms = ring.keys[index].algorithms
    return {**ring.entries[index], **({"alg": algorithms[0]} if len(algorithms) == 1 else {})}


def _write(ring: KeyRing, signers: Sequence[Jwk]) -> str:
    others = [entry for entry, key in zip(ring.entries, ring.keys, strict=True) if not key.can_sign]
    return write_ring([*signers, *others], is_base64=ring.is_base64)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be the only one that changes secrets in this folder: a lock on the file would go with the file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
        os.fsync(descriptor)  # the new name of the file
    finally:
        os.close(descriptor)


def _read(path: Path) -> tuple[str, os.stat_result]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would make it wait
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise RotationRefused(f"{path} is not a file.")
        if found.st_nlink > 1:
            raise RotationRefused(f"{path} has a second name (a hard link), which would keep the old secret.")
        raw = file.read(MOST_BYTES + 1)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or len(raw) > MOST_BYTES:
        raise RotationRefused(f"{path} holds no JWT secret.")
    return text.rstrip("\r\n"), found


def _replace(path: Path, text: str, like: os.stat_result) -> None:
    """As one step: who reads the file finds the one secret or the other, whole."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            made = os.fstat(descriptor)
            if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid):
                os.fchown(descriptor, like.st_uid, like.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
            file.write(text + "\n")
            file.flush()
            os.fsync(descriptor)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _sentence(path: Path, error: OSError) -> str:
    words = {
        errno.EAGAIN: f"Another run is changing a secret in the folder of {path}.",
        errno.ENOENT: f"There is no file {path}.",
        errno.ELOOP: f"{path} is a symbolic link: name the file itself.",
        errno.EISDIR: f"{path} is not a file.",
        errno.EACCES: f"This user may not read {path}, or may not write in its folder.",
        errno.EPERM: f"This user cannot give {path} its owner again: run it as that owner, or as root.",
        errno.EBUSY: f"{path} is mounted by itself and cannot be replaced: mount its folder instead.",
    }
    return words.get(error.errno or 0, f"{path} cannot be changed: {os.strerror(error.errno or 0)}.")
