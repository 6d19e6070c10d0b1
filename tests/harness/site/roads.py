"""A recipe's database with both roads to it: PostgREST straight, and a gateway."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.devstack import Database, DevStack
from app.settings import variable
from harness.relay.answers import Answer
from harness.site.client import Field, ask
from harness.site.gateways import StartGateway
from harness.site.process import GatewayProcess

RECIPES = Path(__file__).parents[2] / "system/recipes"
SECRET = "a-text-secret-of-more-than-32-bytes-1"
JSON: Field = ("Content-Type", "application/json")
AUTH: Field = ("Content-Profile", "auth")


@dataclass(frozen=True, slots=True)
class Roads:
    """One database, by both roads."""

    straight: str
    gateway: GatewayProcess
    database: Database
    environ: Mapping[str, str]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """The URL of each, and where its functions are."""
        yield self.straight, "/rpc/"
        yield self.gateway.url, "/rpc/"
        yield self.gateway.url, "/rest/rpc/"

    def metrics(self) -> str:
        return ask(self.gateway.admin_url, "GET", "/metrics").body.decode()


@contextmanager
def roads(
    stack: DevStack, start_gateway: StartGateway, recipe: str, schemas: tuple[str, ...], **settings: str
) -> Iterator[Roads]:
    with stack.fresh_database(prepared=False) as database:
        for name in ("signing", recipe):
            database.execute((RECIPES / f"{name}.sql").read_text())
        options = replace(stack.options, jwt_secret=SECRET, jwt_secret_is_base64=False, schemas=schemas)
        postgrest = stack.start_postgrest(options, database=database)
        behind = {
            "POSTGATE_DATABASE_URL": database.gateway_dsn,
            "POSTGATE_POSTGREST_URL": postgrest.url,
            "POSTGATE_JWT_SECRET": SECRET,
            "POSTGATE_JWT_SECRET_IS_BASE64": "false",
        }
        environ = {**behind, **{variable(name): value for name, value in settings.items()}}
        with start_gateway(environ) as gateway:
            yield Roads(postgrest.url, gateway, database, environ)
        postgrest.stop()


def post(url: str, target: str, body: Mapping[str, Any], *fields: Field) -> Answer:
    return ask(url, "POST", target, [JSON, *fields], json.dumps(body).encode())


def bearer(token: str) -> Field:
    return "Authorization", f"Bearer {token}"


def cookies_of(answer: Answer) -> dict[str, str]:
    """The cookies that a response sets, each once."""
    pairs = [value.decode().partition(";")[0].partition("=") for value in answer.head.values(b"set-cookie")]
    cookies = {name: value for name, _, value in pairs}
    assert len(cookies) == len(pairs), pairs
    return cookies


def cookie(**cookies: str) -> Field:
    return "Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())
