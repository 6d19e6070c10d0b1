"""One set of containers for all tests of this folder, started when asked for with `-m compose`."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest

from app.devstack.ports import free_port
from compose.containers import REPOSITORY, Containers, missing_engine

MARKER = "compose: builds the image and starts the containers; a minute or more, and only with -m compose"

# Characters that end a password in a URL, a shell word or an SQL string
PASSWORD = '''p@ss/w:rd#%41 \\$HOME "x"'''
USER_PASSWORD = "correct horse battery staple"

SCHEMA = """
create role member nologin;
grant member to authenticator;
grant signed_in to member;
create schema api;
grant usage on schema api to anon, member;
create table api.note (owner text not null default auth.username(), body text not null);
alter table api.note enable row level security;
create policy note_own on api.note using (owner = auth.username()) with check (owner = auth.username());
grant select, insert on api.note to member;
create function api.nap(seconds integer) returns void
  language sql return (select pg_catalog.pg_sleep(seconds) is null);
grant execute on function api.nap(integer) to member;
notify pgrst, 'reload schema';
"""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "compose" in config.option.markexpr:
        return
    skipped = pytest.mark.skip(reason="starts containers: pytest -m compose tests/compose")
    for item in items:
        if item.get_closest_marker("compose"):
            item.add_marker(skipped)


@dataclass(frozen=True)
class Site:
    """What a client and an operator of the running containers know."""

    containers: Containers
    url: str
    secret: str

    def bearer(self, **claims: object) -> dict[str, str]:
        # The secret is hex, and read as base64 by everyone
        key = jwt.utils.base64url_decode(self.secret)
        token = jwt.encode({"role": "member", "exp": 4_000_000_000, **claims}, key)
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory, environ: Mapping[str, str]) -> Containers:
    project = f"postgate-test-{os.getpid()}"
    containers = Containers(project, tmp_path_factory.mktemp("compose") / "env", environ)
    if reason := missing_engine(containers):
        pytest.skip(reason)
    return containers


@pytest.fixture(scope="session")
def site(containers: Containers) -> Iterator[Site]:
    """Started and filled; the schema comes after PostgREST, as it does for whoever tries this."""
    port, secret = free_port(), os.urandom(32).hex()
    fill_in(containers.env_file, {"POSTGATE_JWT_SECRET": secret, "POSTGATE_PORT": str(port)})
    try:
        containers.up()
        containers.psql(SCHEMA)
        user = ("run", "--rm", "-T", "migrate", "user", "add", "demo", "--role", "member")
        containers.compose(*user, stdin=USER_PASSWORD)
        yield Site(containers, f"http://127.0.0.1:{port}", secret)
    finally:
        containers.down()


def fill_in(env_file: Path, values: Mapping[str, str]) -> None:
    """Write .env.example with these values, and passwords that are hard to quote."""
    passwords = dict.fromkeys(("POSTGRES_PASSWORD", "AUTHENTICATOR_PASSWORD", "GATEWAY_PASSWORD"), PASSWORD)
    lines = (REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()
    for name, value in {**passwords, **values}.items():
        [at] = [n for n, line in enumerate(lines) if line.removeprefix("#").startswith(f"{name}=")]
        lines[at] = f"{name}='{value}'"
    env_file.write_text("\n".join(lines), encoding="utf-8")
