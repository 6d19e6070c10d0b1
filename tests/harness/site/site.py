"""A gateway with everything behind it, and the tokens it admits."""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.devstack import Database, DevStack, Postgrest
from app.settings import variable
from harness.relay.gateway import UNLIMITED
from harness.relay.tokens import mint
from harness.site.gateways import StartGateway
from harness.site.process import GatewayProcess

PROBE = Path(__file__).with_name("probe.sql")
TRUSTED_ORIGIN = "https://app.example"


@dataclass(frozen=True, slots=True)
class Site:
    gateway: GatewayProcess
    postgrest: Postgrest
    database: Database
    jwt_secret: str
    environ: Mapping[str, str]  # the settings of a gateway in front of it

    @property
    def url(self) -> str:
        return self.gateway.url

    def token(self, *, role: str = "basic_subscriber", sub: str = "demo", **claims: Any) -> str:
        """An access token signed with the site's own secret; the demo goes by the claim `username`."""
        return mint(key=b64decode(self.jwt_secret), role=role, sub=sub, **{"username": sub, **claims})


@contextmanager
def running_site(stack: DevStack, start_gateway: StartGateway, **settings: str) -> Iterator[Site]:
    """A database with the probe's functions, PostgREST over TCP, and a gateway without limits."""
    with stack.fresh_database() as database:
        database.execute(PROBE.read_text())
        postgrest = stack.start_postgrest(database=database)
        behind = {
            **stack.gateway_environ(),
            "POSTGATE_DATABASE_URL": database.gateway_dsn,
            "POSTGATE_OWNER_DATABASE_URL": database.owner_dsn,
            "POSTGATE_POSTGREST_URL": postgrest.url,
            **{variable(name): value for name, value in {**UNLIMITED, **settings}.items()},
        }
        with start_gateway(behind) as gateway:
            yield Site(gateway, postgrest, database, stack.jwt_secret, behind)
        postgrest.stop()
