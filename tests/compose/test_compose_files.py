"""docker-compose.yml, .env.example and the settings say the same. No engine is needed for that."""

import re
from pathlib import Path

from app.settings import Settings, variable

REPOSITORY = Path(__file__).parents[2]
COMPOSE = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
EXAMPLE = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")

SET_BY_COMPOSE = {"POSTGATE_DATABASE_URL", "POSTGATE_POSTGREST_URL", "POSTGATE_JWT_SECRET"}
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
    for name, default in re.findall(r"\$\{([A-Z0-9_]+):-([^{}]*)\}", COMPOSE):
        assert f"\n#{name}={default}\n" in EXAMPLE


def test_the_health_check_asks_where_the_admin_listener_is() -> None:
    check = (REPOSITORY / "docker/healthcheck.py").read_text(encoding="utf-8")
    defaults = {name: Settings.model_fields[name].default for name in ("admin_host", "admin_port")}
    assert f'("{defaults["admin_host"]}", {defaults["admin_port"]})' in check
    assert "POSTGATE_ADMIN" not in DOCKERFILE


def test_what_is_installed_is_pinned_by_hash() -> None:
    installs = re.findall(r"^.* install .*$", DOCKERFILE, re.MULTILINE)
    assert installs
    assert all("--require-hashes" in line or "--no-deps --no-index" in line for line in installs)
