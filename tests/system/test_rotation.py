"""Another secret under real conditions: one file for PostgREST and the gateway, and nobody is signed out."""

import hmac
import os
import signal
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from harness.relay.deadlines import wait_until
from harness.relay.tokens import mint
from harness.site.client import ask
from harness.site.console import QuickConsole
from harness.site.curl import Curl
from harness.site.gateways import NewGateway
from harness.site.process import GatewayProcess

from app.devstack import Database, DevStack, Postgrest
from app.settings.keys import read_ring

CREDENTIALS = ("-H", "Content-Type: application/json", "-d", '{"user_":"demo","pass":"demo"}')


class Place:
    """A PostgREST and a gateway that read their secret from one file."""

    def __init__(
        self, file: Path, postgrest: Postgrest, database: Database, gateway: GatewayProcess, folder: Path
    ) -> None:
        self.file = file
        self.postgrest = postgrest
        self.database = database
        self.gateway = gateway
        self._folder = folder
        self.visitor = Curl(gateway.url, folder)

    @property
    def keys(self) -> tuple[bytes, ...]:
        return read_ring(self.file.read_text().strip(), is_base64=True).secrets

    def reload_postgrest(self, reload: Callable[["Place"], None]) -> None:
        """Let it read the file again, and wait until it has."""
        reload(self)
        wait_until(lambda: self.postgrest_takes(self.keys[0]), "PostgREST to read its secret again")

    def postgrest_takes(self, key: bytes) -> bool:
        bearer = ("Authorization", f"Bearer {mint(key=key, role='anon')}")
        return ask(self.postgrest.url, "GET", "/", [bearer]).status == 200

    def restart_gateway(self) -> None:
        """As a process manager does it. The visitor keeps the cookies."""
        self.gateway.stop()
        self.gateway.start()
        before, self.visitor = self.visitor, Curl(self.gateway.url, self._folder)
        for name, value in before.jar.items():
            self.visitor.keep(f"{name}={value}; Path=/; Max-Age=600")

    def sign_in(self) -> Curl:
        somebody = Curl(self.gateway.url, self._folder / "somebody")
        assert somebody("/rpc/login", *CREDENTIALS).status == 204
        return somebody

    def reads_on(self) -> None:
        """The visitor is signed in, with the token from before: nothing had to be renewed."""
        answer = self.visitor("/rest/task")
        assert (answer.status, answer.set_cookies) == (200, [])

    def status_of(self, token: str) -> int:
        return Curl(self.gateway.url, self._folder / "script")(
            "/rest/task", "-H", f"Authorization: Bearer {token}"
        ).status


@pytest.fixture
def place(stack: DevStack, database: Database, new_gateway: NewGateway, tmp_path: Path) -> Iterator[Place]:
    file = tmp_path / "jwt_secret"
    file.write_text(stack.jwt_secret + "\n")
    file.chmod(0o600)
    postgrest = stack.start_postgrest(replace(stack.options, jwt_secret=f"@{file}"), database=database)
    gateway = new_gateway(
        stack.gateway_environ(),
        database_url=database.gateway_dsn,
        owner_database_url=database.owner_dsn,
        postgrest_url=postgrest.url,
        jwt_secret="",
        jwt_secret_file=str(file),
    )
    gateway.start()
    yield Place(file, postgrest, database, gateway, tmp_path)
    gateway.stop()
    postgrest.stop()


def by_notification(place: Place) -> None:
    place.database.execute("notify pgrst, 'reload config'")


def by_signal(place: Place) -> None:
    os.kill(place.postgrest.pid, signal.SIGUSR2)


def was_signed_with(token: str, key: bytes) -> bool:
    signed, _, signature = token.rpartition(".")
    return hmac.digest(key, signed.encode(), "sha256") == urlsafe_b64decode(signature + "=")


@pytest.mark.parametrize("reload", [by_notification, by_signal])
def test_a_secret_is_changed_and_nobody_signs_in_again(
    place: Place, environ: Mapping[str, str], reload: Callable[[Place], None]
) -> None:
    def rotate(*options: str) -> None:
        shown = QuickConsole(environ)("secret", "rotate", *options, str(place.file))
        assert (shown.status, shown.stderr) == (0, "")

    assert place.visitor("/rpc/login", *CREDENTIALS).status == 204
    [old] = place.keys
    old_token = place.visitor.jar["access_token"]
    assert was_signed_with(old_token, old)
    place.reads_on()

    rotate()
    new, second = place.keys
    assert (new != old, second) == (True, old)
    place.reads_on()  # nobody has read the file
    place.reload_postgrest(reload)
    place.reads_on()
    assert was_signed_with(place.sign_in().jar["access_token"], old)  # the gateway has not
    place.restart_gateway()
    place.reads_on()
    newcomer = place.sign_in()
    assert was_signed_with(newcomer.jar["access_token"], new)
    assert newcomer("/rest/task").status == 200

    rotate("--drop-old")
    assert place.keys == (new,)
    reload(place)
    wait_until(lambda: not place.postgrest_takes(old), "PostgREST to forget the old key")
    place.restart_gateway()
    assert place.status_of(old_token) == 401
    assert place.status_of(newcomer.jar["access_token"]) == 200
    assert place.visitor.jar["access_token"] == old_token
    assert place.visitor("/rpc/refresh_token", "-X", "POST").status == 204
    assert was_signed_with(place.visitor.jar["access_token"], new)
    place.reads_on()
