"""docs/recipes: the SQL of each page is loaded, and its commands are run as they are printed."""

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from harness.site.gateways import StartGateway
from harness.site.pages import blocks, settings_of, sql_of
from harness.site.roads import SECRET

from app.devstack import DevStack

PAGES = Path(__file__).parents[2] / "docs/recipes"
PRINTED_URL = "http://127.0.0.1:8000"


@pytest.fixture(params=sorted(path.name for path in PAGES.glob("*.md") if path.name != "README.md"))
def page(request: pytest.FixtureRequest) -> str:
    return Path(PAGES, request.param).read_text()


@pytest.fixture
def url(page: str, stack: DevStack, start_gateway: StartGateway) -> Iterator[tuple[str, str]]:
    """The gateway of the page's settings, and a service's token."""
    with stack.fresh_database(prepared=False) as database:
        database.execute(sql_of(page, database.name))
        options = replace(
            stack.options, jwt_secret=SECRET, jwt_secret_is_base64=False, schemas=("api", "auth")
        )
        postgrest = stack.start_postgrest(options, database=database)
        behind = {
            "POSTGATE_DATABASE_URL": database.gateway_dsn,
            "POSTGATE_POSTGREST_URL": postgrest.url,
            "POSTGATE_JWT_SECRET": SECRET,
            "POSTGATE_JWT_SECRET_IS_BASE64": "false",
        }
        token = jwt.encode({"role": "service", "exp": time.time() + 600}, SECRET, "HS256")
        with start_gateway({**behind, **settings_of(page)}) as gateway:
            yield gateway.url, token
        postgrest.stop()
    stack.database.execute("drop role if exists member, service, user_ann, user_bob")


def test_its_commands_do_what_it_prints(page: str, url: tuple[str, str], tmp_path: Path) -> None:
    address, token = url
    commands, outputs = blocks(page, "sh"), blocks(page, "text")
    assert len(commands) == len(outputs) > 0
    for command, expected in zip(commands, outputs, strict=True):
        run = subprocess.run(
            ["sh", "-c", command.replace(PRINTED_URL, address)],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "SERVICE_TOKEN": token},
            capture_output=True,
            timeout=20,
            check=False,
        )
        lines = re.split(r"\r?\n", run.stdout.decode().lower())
        for line in expected.lower().splitlines():
            begun = line.removesuffix("...")
            assert any(found.startswith(begun) if begun != line else found == line for found in lines), (
                command,
                line,
                run.stdout,
            )
