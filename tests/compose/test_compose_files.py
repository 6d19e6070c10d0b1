"""docker-compose.yml, .env.example and the settings say the same. No engine is needed for that."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from app.operator.new_keys import made_at
from app.settings import Settings, variable
from app.settings.keys import read_ring
from app.settings.kinds import LimitStorage

REPOSITORY = Path(__file__).parents[2]
COMPOSE = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
EXAMPLE = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")

SECRETS = (REPOSITORY / "docker/secrets.yml").read_text(encoding="utf-8")

SECRET_NAMES = ("POSTGATE_JWT_SECRET", "POSTGRES_PASSWORD", "AUTHENTICATOR_PASSWORD", "GATEWAY_PASSWORD")
FILES = ("jwt_secret", "postgres_password", "authenticator_password", "gateway_password")
UNFIT = "to be set for both gateways"
SET_BY_COMPOSE = {
    "POSTGATE_DATABASE_URL", "POSTGATE_POSTGREST_URL", "POSTGATE_POSTGREST_POOL", "POSTGATE_JWT_SECRET"
}  # fmt: skip
FIXED_INSIDE = {"POSTGATE_HOST", "POSTGATE_PORT", "POSTGATE_ADMIN_HOST", "POSTGATE_ADMIN_PORT"}
NOT_THE_GATEWAYS = {"POSTGATE_OWNER_DATABASE_URL", "POSTGATE_AUTHENTICATOR_DATABASE_URL"}


def test_every_setting_is_handed_to_the_gateway_or_decided_by_compose() -> None:
    gateway = COMPOSE.partition("\n  gateway:\n")[2].partition("\n    ports:\n")[0]
    given = set(re.findall(r"^      (POSTGATE_[A-Z0-9_]+): \S", gateway, re.MULTILINE))
    handed_on = re.findall(r"^      (POSTGATE_[A-Z0-9_]+):$", gateway, re.MULTILINE)
    settings = [variable(field) for field in Settings.model_fields]
    assert given == SET_BY_COMPOSE
    assert sorted(handed_on) == sorted(set(settings) - SET_BY_COMPOSE - FIXED_INSIDE - NOT_THE_GATEWAYS)


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE)) - {"COMPOSE_PROJECT_NAME"}
    assert used <= set(re.findall(r"^#?([A-Z0-9_]+)=", EXAMPLE, re.MULTILINE))


def test_defaults_in_the_compose_file_are_those_of_the_example() -> None:
    for name, default in re.findall(r"\$\{([A-Z0-9_]+):-([^{}]*)\}", COMPOSE + SECRETS):
        assert default == UNFIT or f"\n#{name}={default}\n" in EXAMPLE


def test_a_second_gateway_refuses_to_count_by_itself() -> None:
    assert f"{{POSTGATE_RATE_LIMIT_STORAGE:-{UNFIT}}}" in COMPOSE
    with pytest.raises(ValidationError):
        TypeAdapter(LimitStorage).validate_python(UNFIT)


def test_one_command_fills_in_the_secrets_and_never_overwrites_one(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".env.example", tmp_path)
    assert fill(tmp_path) == ["POSTGATE_JWT_SECRET", "PGRST_JWT_SECRET", *SECRET_NAMES[1:]]
    filled = (tmp_path / ".env").read_text()
    assert fill(tmp_path) == []
    assert (tmp_path / ".env").read_text() == filled
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    passwords = [re.findall(rf"^{name}=(.*)$", filled, re.MULTILINE) for name in SECRET_NAMES[1:]]
    assert all(re.fullmatch("[0-9a-f]{64}", value) for [value] in passwords)
    assert len({value for [value] in passwords}) == 3
    emptied = re.sub("=(?:[0-9a-f]{64}|eyJ[A-Za-z0-9_.-]{100,})$", "=", filled, flags=re.MULTILINE)
    assert emptied == EXAMPLE


def test_the_key_that_is_filled_in_is_a_pair_and_postgrest_gets_its_public_half(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".env.example", tmp_path)
    fill(tmp_path)
    filled = (tmp_path / ".env").read_text()
    [secret] = re.findall(r"^POSTGATE_JWT_SECRET=(.*)$", filled, re.MULTILINE)
    [public] = re.findall(r"^PGRST_JWT_SECRET=(.*)$", filled, re.MULTILINE)
    ring = read_ring(secret, is_base64=True)
    assert ring.signing.algorithms == ("ES256",)
    read = json.loads(base64.b64decode(public.translate(str.maketrans("-_.", "+/="))))
    assert read == json.loads(ring.public_set())
    assert made_at(ring.signing.key_id or "") is not None


def test_a_shared_secret_that_is_there_stays_the_one_of_both(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGATE_JWT_SECRET=" + "ab" * 32 + "\n")
    assert "PGRST_JWT_SECRET" not in fill(tmp_path)
    assert "JWT_PUBLIC" not in fill(tmp_path, "--files")
    assert not (tmp_path / "secrets/jwt_public").exists()


def test_files_of_a_new_installation_hold_a_key_pair(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".env.example", tmp_path)
    assert "JWT_PUBLIC" in fill(tmp_path, "--files")
    ring = read_ring((tmp_path / "secrets/jwt_secret").read_text().strip(), is_base64=True)
    public = (tmp_path / "secrets/jwt_public").read_text().strip().translate(str.maketrans("-_.", "+/="))
    assert json.loads(base64.b64decode(public)) == json.loads(ring.public_set())


def test_a_value_that_is_there_stays_and_one_that_is_not_is_added(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=\nPOSTGRES_PASSWORD='my own'\nGATEWAY_PASSWORD=''\n")
    assert fill(tmp_path) == [
        "POSTGATE_JWT_SECRET", "PGRST_JWT_SECRET", "AUTHENTICATOR_PASSWORD", "GATEWAY_PASSWORD"
    ]  # fmt: skip
    lines = (tmp_path / ".env").read_text().splitlines()
    assert lines[:2] == ["POSTGRES_PASSWORD=", "POSTGRES_PASSWORD='my own'"]
    assert [line.partition("=")[0] for line in lines[2:]] == [
        "GATEWAY_PASSWORD", "POSTGATE_JWT_SECRET", "PGRST_JWT_SECRET", "AUTHENTICATOR_PASSWORD"
    ]  # fmt: skip


def test_files_take_over_what_is_in_use_and_belong_to_nobody_else(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".env.example", tmp_path)
    fill(tmp_path)
    assert fill(tmp_path, "--files")[-1] == "COMPOSE_FILE"
    env = (tmp_path / ".env").read_text()
    folder = tmp_path / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        # By whatever user a container has
        assert path.stat().st_mode & 0o777 == 0o644
    for file, name in zip(FILES, SECRET_NAMES, strict=True):
        assert f"\n{name}={(folder / file).read_text()}" in env
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert fill(tmp_path, "--files") == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert set(before) == set(re.findall(r"^  ([a-z_]+): \{ file:", SECRETS, re.MULTILINE))


def fill(folder: Path, *arguments: str) -> list[str]:
    """What it says that it has filled in."""
    command = ["sh", str(REPOSITORY / "docker/fill.sh"), *arguments]
    environ = {"PATH": "/usr/bin:/bin", "PROJECT_FOLDER": str(folder)}
    said = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    return re.findall(r"^([A-Z_]+) is filled in\.$", said, re.MULTILINE)


def test_the_health_check_asks_where_the_admin_listener_is() -> None:
    check = (REPOSITORY / "docker/healthcheck.py").read_text(encoding="utf-8")
    defaults = {name: Settings.model_fields[name].default for name in ("admin_host", "admin_port")}
    assert f'("{defaults["admin_host"]}", {defaults["admin_port"]})' in check
    assert "POSTGATE_ADMIN" not in DOCKERFILE


def test_what_is_installed_is_pinned_by_hash() -> None:
    installs = re.findall(r"^.*\bpip\b.* install .*$", DOCKERFILE, re.MULTILINE)
    assert installs
    assert all("--require-hashes" in line or "--no-deps --no-index" in line for line in installs)
