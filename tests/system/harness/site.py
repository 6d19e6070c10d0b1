"""A gateway with everything behind it, and the tokens it admits."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.harness.tokens import mint

from app.devstack import Database, Postgrest
from system.harness.process import GatewayProcess


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
        """An access token signed with the site's own secret."""
        return mint(key=b64decode(self.jwt_secret), role=role, sub=sub, **claims)
