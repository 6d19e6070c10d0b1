"""`postgate secret rotate`: other keys in the same place, whole, in silence, and the next steps told."""

import base64
import fcntl
import json
import os
import stat
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from harness.site.console import Console, QuickConsole, Result

from app.operator import rotation
from app.settings.keys import KeyRing, oct_jwk, read_ring, write_ring

KEY, OLDER = bytes(range(7, 47)), bytes(range(60, 100))
BYTES = bytes(range(224, 256))  # in base64, with the characters that differ between its alphabets
BASE64 = base64.b64encode(KEY).decode()
TEXT = "a secret of text, with more than 32 bytes"
NOT_BASE64 = "The secret is not base64; for a plain text secret set POSTGATE_JWT_SECRET_IS_BASE64=false."
NOT_WELL_FORMED = (
    "The secret has a key, number 1, that is not well-formed; "
    "it has a key, number 2, that has a curve (crv) that is not accepted here."
)
NEXT = ["PostgREST", "reload config", "SIGUSR2", "gateways", "--drop-old"]


@pytest.fixture
def postgate(environ: Mapping[str, str]) -> Console:
    return QuickConsole(environ)


class Rotation:
    """The verb on one file, and what is in it."""

    def __init__(self, console: Console, file: Path) -> None:
        self.console = console
        self.file = file

    def __call__(self, *options: str, **settings: str) -> Result:
        before = self.file.read_text() if self.file.is_file() else ""
        shown = self.console("secret", "rotate", *options, str(self.file), **settings)
        after = self.file.read_text() if self.file.is_file() else ""
        for text in {before.strip(), after.strip()} - {""}:
            assert text not in shown.stdout + shown.stderr
        assert shown.status == 0 or before == after
        assert [path.name for path in self.file.parent.iterdir() if path.name.startswith(".")] == []
        return shown

    def holds(self, text: str) -> None:
        self.file.write_text(text)

    def ring(self, *, is_base64: bool = True) -> KeyRing:
        return read_ring(self.file.read_text().rstrip("\n"), is_base64=is_base64)

    def refuses(self, sentence: str, *options: str, **settings: str) -> None:
        shown = self(*options, **settings)
        assert (shown.status, shown.stdout, shown.stderr) == (1, "", sentence + "\n")


@pytest.fixture
def rotate(postgate: Console, tmp_path: Path) -> Rotation:
    return Rotation(postgate, tmp_path / "jwt_secret")


def jwk(key: bytes) -> dict[str, Any]:
    return {"kty": "oct", "k": base64.urlsafe_b64encode(key).rstrip(b"=").decode()}


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# --- what comes of a secret


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_new_key_stands_before_the_one_that_has_signed_until_now(rotate: Rotation, ending: str) -> None:
    rotate.holds(BASE64 + ending)
    shown = rotate()
    assert (shown.status, shown.stderr) == (0, "")
    new, old = rotate.ring().secrets
    assert (len(new) >= 32, new != KEY, old) == (True, True, KEY)
    assert rotate.file.read_text().endswith("=\n") or rotate.file.read_text().count("\n") == 1
    at = [shown.stdout.index(step) for step in NEXT]
    assert at == sorted(at)
    assert str(rotate.file) in shown.stdout


@pytest.mark.parametrize(
    ("secret", "is_base64", "key", "stays_base64"),
    [
        (BASE64, True, KEY, True),
        (base64.urlsafe_b64encode(BYTES).decode(), True, BYTES, True),
        (TEXT, False, TEXT.encode(), False),
        (json.dumps(jwk(KEY)), False, KEY, False),
        (json.dumps(jwk(KEY)), True, KEY, False),
        (json.dumps({"keys": [jwk(KEY), jwk(OLDER)]}), False, KEY, False),
        (base64_of(json.dumps({"keys": [jwk(KEY), jwk(OLDER)]})), True, KEY, True),
    ],
    ids=["base64", "base64url", "text", "a key", "a key, said to be base64", "a set", "a set in base64"],
)
def test_a_secret_of_any_form_becomes_a_set_in_the_form_that_postgrest_expects(
    rotate: Rotation,
    secret: str,
    *,
    is_base64: bool,
    key: bytes,
    stays_base64: bool,
) -> None:
    rotate.holds(secret)
    assert rotate(jwt_secret_is_base64=str(is_base64).lower()).status == 0
    ring = rotate.ring(is_base64=is_base64)
    assert (len(ring.secrets), ring.secrets[1], ring.is_base64, ring.is_jwk) == (2, key, stays_base64, True)
    text = rotate.file.read_text()
    written = json.loads(base64.b64decode(text) if stays_base64 else text)
    assert [(entry["kty"], entry["alg"]) for entry in written["keys"]] == [("oct", "HS256")] * 2


def test_each_new_key_is_another_text_that_sql_of_any_kind_can_sign_with(rotate: Rotation) -> None:
    new = set()
    for _ in range(20):
        rotate.holds(BASE64)
        rotate()
        key = rotate.ring().secrets[0]
        assert key.decode().isprintable()
        assert "_" in key.decode()  # or SQL that guesses would take it for base64
        new.add(key)
    assert len(new) == 20


def test_the_old_key_goes_when_it_is_told_to(rotate: Rotation) -> None:
    rotate.holds(BASE64)
    rotate()
    new = rotate.ring().secrets[0]
    shown = rotate("--drop-old")
    assert (shown.status, shown.stderr, rotate.ring().secrets) == (0, "", (new,))
    assert "reload config" in shown.stdout
    again = rotate("--drop-old")
    assert (again.status, again.stdout) == (0, f"{rotate.file} holds one key: there is nothing to drop.\n")
    assert rotate().status == 0
    assert rotate.ring().secrets[1] == new


def test_a_secret_of_one_key_has_nothing_to_drop_and_keeps_its_form(rotate: Rotation) -> None:
    rotate.holds(BASE64)
    assert rotate("--drop-old").status == 0
    assert rotate.file.read_text() == BASE64


def test_a_second_rotation_waits_until_the_tokens_of_the_oldest_key_have_expired(rotate: Rotation) -> None:
    rotate.holds(BASE64)
    rotate()
    before = rotate.ring().secrets
    shown = rotate()
    assert (shown.status, shown.stdout) == (1, "")
    assert shown.stderr.startswith("The last rotation is less than ten minutes old")
    assert rotate.ring().secrets == before
    long_ago = (datetime.now(UTC) - rotation.TOKEN_LIFE - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    rotate.holds(write_ring([oct_jwk(before[0], long_ago), oct_jwk(before[1])], is_base64=True))
    assert rotate().status == 0
    assert rotate.ring().secrets[1:] == before[:1]


@pytest.mark.parametrize("key_id", ["", "2026", "tomorrow", None])
def test_a_set_of_somebody_elses_making_can_be_rotated(rotate: Rotation, key_id: object) -> None:
    rotate.holds(json.dumps({"keys": [{**jwk(KEY), "kid": key_id}, jwk(OLDER)]}))
    assert rotate().status == 0
    assert rotate.ring().secrets[1:] == (KEY,)


# --- the file


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400, 0o644])
def test_the_file_keeps_its_mode_and_its_owner(rotate: Rotation, mode: int) -> None:
    rotate.holds(BASE64)
    if os.geteuid() == 0:
        os.chown(rotate.file, 10_001, 10_002)
    rotate.file.chmod(mode)
    before = rotate.file.stat()
    assert rotate().status == 0
    after = rotate.file.stat()
    assert stat.S_IMODE(after.st_mode) == mode
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino  # replaced as a whole, not written over


def test_who_reads_meanwhile_finds_a_whole_secret(rotate: Rotation) -> None:
    rotate.holds(BASE64)
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(len(rotate.ring().secrets))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        rotate()
        rotate("--drop-old")
    done.set()
    reader.join()
    assert seen <= {1, 2}
    assert seen


def test_the_variable_names_the_file_where_the_command_line_does_not(
    postgate: Console, rotate: Rotation
) -> None:
    rotate.holds(BASE64)
    shown = postgate("secret", "rotate", jwt_secret_file=str(rotate.file))
    assert (shown.status, rotate.ring().secrets[1]) == (0, KEY)
    assert "Then: postgate secret rotate --drop-old, and" in shown.stdout


def test_of_two_runs_one_is_refused(rotate: Rotation) -> None:
    rotate.holds(BASE64)
    other = os.open(rotate.file.parent, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        rotate.refuses(f"Another run is changing a secret in the folder of {rotate.file}.")
    finally:
        os.close(other)
    assert rotate().status == 0


def test_what_is_not_there_or_no_file_is_refused(rotate: Rotation, tmp_path: Path) -> None:
    rotate.refuses(f"There is no file {rotate.file}.")
    rotate.file.mkdir()
    rotate.refuses(f"{rotate.file} is not a file.")
    rotate.file.rmdir()
    os.mkfifo(rotate.file)
    rotate.refuses(f"{rotate.file} is not a file.")
    rotate.file.unlink()
    rotate.file = tmp_path / "missing" / "jwt_secret"
    assert "There is no file" in rotate.console("secret", "rotate", str(rotate.file)).stderr


def test_a_link_is_refused_either_way(rotate: Rotation, tmp_path: Path) -> None:
    (tmp_path / "real").write_text(BASE64)
    rotate.file.symlink_to(tmp_path / "real")
    rotate.refuses(f"{rotate.file} is a symbolic link: name the file itself.")
    rotate.file.unlink()
    rotate.file.hardlink_to(tmp_path / "real")
    rotate.refuses(f"{rotate.file} has a second name (a hard link), which would keep the old secret.")
    assert (tmp_path / "real").read_text() == BASE64


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "{file} holds no JWT secret."),
        (b"\xff\xfe" * 20, "{file} holds no JWT secret."),
        (b"A" * 70_000, "{file} holds no JWT secret."),
        (b"hunter2 hunter2 hunter2 hunter2 hunter2", NOT_BASE64),
        (b"c2hvcnQ=", "The secret has 5 bytes, and HS256 needs at least 32."),
        (b'{"keys":[]}', "The secret is a set without keys."),
        (b'{"keys":[{"kty":"RSA"},{"kty":"EC"}]}', NOT_WELL_FORMED),
    ],
)
def test_what_is_no_secret_is_refused(rotate: Rotation, content: bytes, sentence: str) -> None:
    rotate.file.write_bytes(content)
    shown = rotate.console("secret", "rotate", str(rotate.file))
    assert (shown.status, shown.stdout, shown.stderr) == (1, "", sentence.format(file=rotate.file) + "\n")
    assert rotate.file.read_bytes() == content


@pytest.mark.parametrize(
    ("call", "number", "sentence"),
    [
        ("rename", 16, "{file} is mounted by itself and cannot be replaced: mount its folder instead."),
        ("fchmod", 28, "{file} cannot be changed: No space left on device."),
        ("fchown", 1, "This user cannot give {file} its owner again: run it as that owner, or as root."),
        ("open", 13, "This user may not read {file}, or may not write in its folder."),
    ],
)
def test_what_the_system_refuses_changes_nothing(
    rotate: Rotation, monkeypatch: pytest.MonkeyPatch, call: str, number: int, sentence: str
) -> None:
    rotate.holds(BASE64)

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    if call == "rename":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        monkeypatch.setattr(os, call, fail)
    if call == "fchown":
        like = os.stat_result((0o100600, 0, 0, 1, os.geteuid() + 1, 0, 0, 0, 0, 0))
        monkeypatch.setattr(rotation, "_read", lambda _: (BASE64, like))
    rotate.refuses(sentence.format(file=rotate.file))


# --- no file


def test_a_secret_in_the_environment_is_printed_anew_and_nothing_else_on_standard_output(
    postgate: Console,
) -> None:
    shown = postgate("secret", "rotate", jwt_secret=BASE64)
    assert (shown.status, shown.stdout.count("\n")) == (0, 1)
    assert read_ring(shown.stdout.strip(), is_base64=True).secrets[1] == KEY
    assert all(step in shown.stderr for step in NEXT)
    assert shown.stdout.strip() not in shown.stderr
    dropped = postgate("secret", "rotate", "--drop-old", jwt_secret=shown.stdout.strip())
    assert read_ring(dropped.stdout.strip(), is_base64=True).secrets == (
        read_ring(shown.stdout.strip(), is_base64=True).secrets[0],
    )


def test_no_secret_anywhere_is_said(postgate: Console) -> None:
    shown = postgate("secret", "rotate")
    assert (shown.status, shown.stdout) == (1, "")
    assert shown.stderr == "Name the file with the secret, or set POSTGATE_JWT_SECRET_FILE.\n"


def test_settings_that_contradict_each_other_are_refused(postgate: Console) -> None:
    shown = postgate(
        "secret",
        "rotate",
        jwt_secret=BASE64,
        jwt_secret_file="/x",
        jwt_secret_is_base64="maybe",
        jwt_secrt="x",
    )
    assert shown.status == 1
    assert shown.stderr.splitlines()[1:] == [
        "  POSTGATE_JWT_SECRT is not a setting; is it POSTGATE_JWT_SECRET?",
        "  POSTGATE_JWT_SECRET_FILE and POSTGATE_JWT_SECRET are both set",
        "  POSTGATE_JWT_SECRET_IS_BASE64 is neither true nor false",
    ]
