"""One set of containers for most tests of this folder, started when asked for with `-m compose`."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import jwt
import pytest

from app.devstack.ports import free_port
from compose import load
from compose.containers import REPOSITORY, Containers, Site, missing_engine, wait_until

MARKER = "compose: builds the image and starts the containers; some minutes, and only with -m compose"

# Characters that end a password in a URL, a shell word or an SQL string
PASSWORD = '''p@ss/w:rd#%41 \\$HOME "x"'''


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "compose" in config.option.markexpr:
        return
    skipped = pytest.mark.skip(reason="starts containers: pytest -m compose tests/compose")
    for item in items:
        if item.get_closest_marker("compose"):
            item.add_marker(skipped)


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory, environ: Mapping[str, str]) -> Containers:
    containers = Containers(
        f"postgate-test-{os.getpid()}", tmp_path_factory.mktemp("compose") / "env", environ, "demo"
    )
    if reason := missing_engine(containers):
        pytest.skip(reason)
    return containers


@pytest.fixture(scope="session")
def site(containers: Containers) -> Iterator[Site]:
    """Started with the demo; what the tests need beside it comes after PostgREST has."""
    port, secret = free_port(), os.urandom(32).hex()
    values = {"POSTGATE_JWT_SECRET": secret, "POSTGATE_PORT": str(port), "POSTGATE_LOGIN_LIMIT_PAIR": "off"}
    fill_in(containers.env_file, values)
    try:
        containers.up()
        # The secret is hex, and read as base64 by everyone
        key = jwt.utils.base64url_decode(secret)
        site = Site(containers, f"http://127.0.0.1:{port}", key, containers.inspect())
        containers.psql(load.SCHEMA)
        wait_until(lambda: knows_the_schema(site), "PostgREST to know the schema")
        yield site
    finally:
        containers.down()


def knows_the_schema(site: Site) -> bool:
    answer = httpx.post(f"{site.url}/rpc/nap", json={"seconds": 0}, headers=site.bearer(), timeout=30)
    return answer.status_code == 204


def fill_in(env_file: Path, values: Mapping[str, str]) -> None:
    """Write .env.example with these values, and passwords that are hard to quote."""
    passwords = dict.fromkeys(("POSTGRES_PASSWORD", "AUTHENTICATOR_PASSWORD", "GATEWAY_PASSWORD"), PASSWORD)
    lines = (REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()
    for name, value in {**passwords, **values}.items():
        [at] = [n for n, line in enumerate(lines) if line.removeprefix("#").startswith(f"{name}=")]
        lines[at] = f"{name}='{value}'"
    env_file.write_text("\n".join(lines), encoding="utf-8")
