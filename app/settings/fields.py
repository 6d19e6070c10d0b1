"""Everything that can be set, with its default, and what settings must be together.

Every problem is told by the name of its variable and never by its value.
"""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from app.settings.kinds import (
    CookieName,
    Count,
    DatabaseUrl,
    Identifier,
    Identifiers,
    Networks,
    Origins,
    Port,
    Routes,
    Seconds,
    UpstreamUrl,
)

PREFIX = "POSTGATE_"
MIN_SECRET_BYTES = 32  # RFC 7518 section 3.2; PostgREST refuses less from version 13 on
MAX_LEEWAY_SECONDS = 30  # PostgREST's own: beyond it the gateway would admit what PostgREST refuses
_KNOWN_SECRETS = frozenset({b"reallyreallyreallyreallyverysafe"})


class Settings(BaseModel):
    """Everything that can be set. Field `x_y` is the variable POSTGATE_X_Y."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: Port = 8000
    admin_host: str = "127.0.0.1"
    admin_port: Port = 8001
    workers: Annotated[int, Field(ge=1, le=64)] = 1

    database_url: DatabaseUrl
    owner_database_url: DatabaseUrl | None = None
    database_connections: Count = 4
    database_seconds: Seconds = 10
    postgrest_url: UpstreamUrl = "http://127.0.0.1:3000"
    routes: Routes = ()

    jwt_secret: SecretStr
    jwt_secret_is_base64: bool = True
    jwt_audience: str | None = None
    jwt_leeway_seconds: Annotated[int, Field(ge=0, le=MAX_LEEWAY_SECONDS)] = 0
    role_claim: str = "role"

    anon_role: Identifier = "anon"
    auth_schema: Identifier = "auth"
    auth_functions: Identifiers = ("login", "logout", "refresh_token")
    auth_body_bytes: Count = 65_536

    access_cookie: CookieName = "access_token"
    refresh_cookie: CookieName = "refresh_token"
    cookie_secure: Literal["auto", "always", "never"] = "auto"
    anonymous: Literal["deny", "allow"] = "deny"
    trusted_origins: Origins = ()
    trusted_proxies: Networks = ()

    head_bytes: Count = 65_536
    header_count: Count = 100
    target_bytes: Count = 16_384
    body_bytes: Annotated[int, Field(ge=0)] = 0
    pipelined_requests: Count = 32
    connections: Count = 20_000
    idle_seconds: Seconds = 75
    head_seconds: Seconds = 10
    body_stall_seconds: Seconds = 30
    write_stall_seconds: Seconds = 30
    linger_seconds: Seconds = 2
    linger_bytes: Count = 1_048_576
    drain_seconds: Seconds = 30
    upstream_connections: Count = 256
    upstream_connect_seconds: Seconds = 3
    upstream_first_byte_seconds: Seconds = 60
    upstream_stall_seconds: Seconds = 60
    upstream_idle_seconds: Seconds = 20
    upstream_queue: Count = 1_000
    upstream_queue_seconds: Seconds = 5

    @model_validator(mode="after")
    def _check(self) -> "Settings":
        problems = [*self._secret_problems(), *self._listener_problems()]
        if self.access_cookie == self.refresh_cookie:
            problems.append(f"{PREFIX}REFRESH_COOKIE is the same as {PREFIX}ACCESS_COOKIE")
        if any(network.prefixlen == 0 for network in self.trusted_proxies):
            problems.append(f"{PREFIX}TRUSTED_PROXIES trusts everybody: name the proxies' own addresses")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _secret_problems(self) -> list[str]:
        name = f"{PREFIX}JWT_SECRET"
        try:
            secret = self.jwt_secret_bytes
        except ValueError:
            return [f"{name} is not base64; for a plain text secret set {name}_IS_BASE64=false"]
        if len(secret) < MIN_SECRET_BYTES:
            return [f"{name} has {len(secret)} bytes, and HS256 needs at least {MIN_SECRET_BYTES}"]
        if secret in _KNOWN_SECRETS or len(set(secret)) == 1:
            return [f"{name} is a sample from a manual: make your own"]
        return []

    def _listener_problems(self) -> list[str]:
        problems = []
        if self.port and self.port == self.admin_port and self.host == self.admin_host:
            problems.append(f"{PREFIX}ADMIN_PORT is the same as {PREFIX}PORT")
        if self.cookie_secure == "never" and self.host not in {"127.0.0.1", "::1", "localhost"}:
            problems.append(
                f"{PREFIX}COOKIE_SECURE=never sends sessions in the clear: only for a loopback {PREFIX}HOST"
            )
        own = {f"http://{host}:{self.port}" for host in (self.host, "127.0.0.1", "localhost")}
        if self.postgrest_url in own:
            problems.append(f"{PREFIX}POSTGREST_URL is the gateway's own address")
        return problems

    @property
    def jwt_secret_bytes(self) -> bytes:
        """The HMAC key, read as PostgREST reads `jwt-secret` and `jwt-secret-is-base64`."""
        text = self.jwt_secret.get_secret_value()
        if not self.jwt_secret_is_base64:
            return text.encode()
        standard = text.strip().translate(str.maketrans("-_.", "+/="))
        try:
            return base64.b64decode(standard, validate=True)
        except binascii.Error:
            raise ValueError("not base64") from None

    @property
    def owner_url(self) -> str:
        """The credentials of the schema's owner, for `migrate` and `user`."""
        return (self.owner_database_url or self.database_url).get_secret_value()
