"""docs/keys.md: the lines that move from a shared secret to a key pair, run as they are printed."""

import os
import re
import signal
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from harness.relay.deadlines import wait_until
from harness.relay.tokens import mint
from harness.site.client import ask
from harness.site.console import POSTGATE
from harness.site.curl import Curl
from harness.site.gateways import NewGateway

from app.core.tokens.mint import mint as sign_with
from app.devstack import DevStack
from app.settings.keys import KeyRing, read_ring

PAGE = Path(__file__).parents[2] / "docs/keys.md"
PLACE = "/etc/postgate"
CREDENTIALS = ("-H", "Content-Type: application/json", "-d", '{"user_":"demo","pass":"demo"}')


def printed_lines() -> list[str]:
    section = PAGE.read_text().partition("## From a shared secret to a key pair")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return [line.partition("  #")[0].strip() for line in block[1].splitlines() if line.strip()]


class Move:
    """Runs the lines, each of which may take no one's session away."""

    def __init__(self, stack: DevStack, new_gateway: NewGateway, folder: Path) -> None:
        self.folder = folder
        self.shared, self.keys = folder / "jwt_secret", folder / "gateway_keys"
        self.shared.write_text(stack.jwt_secret + "\n")
        self.shared.chmod(0o600)
        self.key = b64decode(stack.jwt_secret)
        self.database = stack.create_database()
        options = replace(stack.options, jwt_secret=f"@{self.shared}")
        self.postgrest = stack.start_postgrest(options, database=self.database)
        self._new_gateway = new_gateway
        self._behind = {
            **stack.gateway_environ(),
            "POSTGATE_DATABASE_URL": self.database.gateway_dsn,
            "POSTGATE_POSTGREST_URL": self.postgrest.url,
            "POSTGATE_JWT_SECRET": "",
        }
        self.serve(self.shared)
        self.visitor = Curl(self.gateway.url, folder / "visitor")

    def serve(self, file: Path) -> None:
        self.file = file
        self.gateway = self._new_gateway(self._behind, jwt_secret_file=str(file))
        self.gateway.start()

    @property
    def ring(self) -> KeyRing:
        return read_ring(self.file.read_text().strip(), is_base64=True)

    def run(self, line: str) -> None:
        if line.startswith("psql"):
            self.database.execute(line.partition('"')[2].rstrip('"'))
        elif line == "systemctl restart postgate":
            self.gateway.stop()
            self.serve(self.keys)
            before, self.visitor = self.visitor, Curl(self.gateway.url, self.folder / "visitor")
            for name, value in before.jar.items():
                self.visitor.keep(f"{name}={value}; Path=/; Max-Age=600")
        elif line == "systemctl reload postgate":
            os.kill(self.gateway.pid, signal.SIGHUP)
        elif line == "postgate check":
            assert ask(self.gateway.admin_url, "GET", "/ready", []).status == 200
        elif not line.startswith("#"):
            environ = {"PATH": f"{Path(POSTGATE).parent}:/usr/bin:/bin"}
            command = line.replace(PLACE, str(self.folder))
            subprocess.run(["sh", "-euc", command], env=environ, check=True, capture_output=True)

    def postgrest_takes_the_new_key(self) -> bool:
        key = read_ring(self.keys.read_text().strip(), is_base64=True).signing
        token = sign_with({"role": "anon", "exp": int(time.time()) + 60}, key).decode()
        return ask(self.postgrest.url, "GET", "/", [("Authorization", f"Bearer {token}")]).status == 200

    def is_accepted(self, token: str) -> list[bool]:
        bearer = [("Authorization", f"Bearer {token}")]
        urls = (f"{self.postgrest.url}", self.gateway.url)
        return [
            ask(url, "GET", path, bearer).status == 200
            for url, path in zip(urls, ("/", "/rest/task?limit=1"), strict=True)
        ]


@pytest.fixture
def move(
    stack: DevStack, new_gateway: NewGateway, tmp_path: Path, environ: Mapping[str, str]
) -> Iterator[Move]:
    move = Move(stack, new_gateway, tmp_path)
    yield move
    move.gateway.stop()
    move.postgrest.stop()
    stack.drop_database(move.database)


def test_the_lines_of_the_page_move_to_a_key_pair_and_nobody_signs_in_again(move: Move) -> None:
    assert move.visitor("/rpc/login", *CREDENTIALS).status == 204
    of_the_secret = mint(key=move.key, role="basic_subscriber", sub="demo")
    lines = printed_lines()
    later = lines.index("# ten minutes later at the earliest")
    assert lines.count("systemctl restart postgate") == 1
    for number, line in enumerate(lines):
        move.run(line)
        if number == later:  # every token of the secret's has been renewed by now
            assert move.visitor("/rpc/refresh_token", "-X", "POST").status == 204
        if line.startswith("psql") and number < later:
            wait_until(move.postgrest_takes_the_new_key, "PostgREST to read its keys again")
        answer = move.visitor("/rest/task")
        assert (answer.status, answer.set_cookies) == (200, []), line
        assert number >= later or move.is_accepted(of_the_secret) == [True, True], line
    wait_until(lambda: move.is_accepted(of_the_secret) == [False, False], "both to forget the secret")
    assert move.visitor("/rest/task").status == 200
    newest = move.visitor.jar["access_token"]
    key = move.ring.signing
    assert jwt.decode(newest, jwt.PyJWK(key.public_jwk()).key, ["ES256"])["username"] == "demo"
    assert b'"d"' not in b64decode(move.shared.read_text())
