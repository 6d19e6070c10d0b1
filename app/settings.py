"""The only reader of the environment: POSTGATE_* variables, each also as POSTGATE_*_FILE.

Every problem is reported at once, by the name of its variable and never by its value.
"""

import base64
import binascii
import os
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from secrets import token_bytes
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from app.setting_types import (
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
    check_database_url,
)

PREFIX = "POSTGATE_"
MIN_SECRET_BYTES = 32  # RFC 7518 section 3.2; PostgREST refuses less from version 13 on
MAX_LEEWAY_SECONDS = 30  # PostgREST's own: beyond it the gateway would admit what PostgREST refuses
_KNOWN_SECRETS = frozenset({b"reallyreallyreallyreallyverysafe"})


class SettingsInvalid(Exception):
    """The settings cannot be used; `problems` names each variable and what is wrong with it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


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


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:  # noqa: TID251
    """Read the settings. Raises SettingsInvalid with every problem found."""
    values, problems = _collect(environ, Settings.model_fields)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        found = [*_sentences(error), *_problems_among_the_rest(values, error)]
        raise SettingsInvalid(problems + found) from None
    if problems:
        raise SettingsInvalid(problems)
    return settings


def load_owner_url(environ: Mapping[str, str] = os.environ) -> str:  # noqa: TID251
    """Read the owner's connection and nothing else, for a container that only migrates.

    Raises SettingsInvalid with every problem found.
    """
    owner, gateway = "owner_database_url", "database_url"
    values, problems = _collect(environ, (owner, gateway))
    field = owner if owner in values else gateway
    if field in values:
        try:
            check_database_url(SecretStr(values[field]))
        except ValueError as error:
            problems.append(f"{variable(field)} {error}")
    elif not problems:
        problems.append(f"{variable(owner)} is not set, and neither is {variable(gateway)}")
    if problems:
        raise SettingsInvalid(problems)
    return str(values[field])


def variable(field: str) -> str:
    return PREFIX + field.upper()


def _collect(environ: Mapping[str, str], wanted: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """The values of the wanted fields as text. Names that are no setting at all are problems always."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    known = {variable(field): field for field in Settings.model_fields}
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        plain = name.removesuffix("_FILE")
        field = known.get(name) or known.get(plain)
        if field is None:
            likely = get_close_matches(plain, known, n=1, cutoff=0.8)
            problems.append(f"{name} is not a setting" + "".join(f"; is it {found}?" for found in likely))
        elif field not in wanted:
            continue
        elif name in known:
            if environ[name] != "":  # compose passes unset variables as empty ones
                values[field] = environ[name]
        elif plain in environ and environ[plain] != "":
            problems.append(f"{name} and {plain} are both set")
        elif environ[name] != "":
            try:
                values[field] = Path(environ[name]).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError):
                problems.append(f"{name} names a file that cannot be read")
    return values, problems


def _problems_among_the_rest(values: dict[str, Any], error: ValidationError) -> list[str]:
    """What cross-checks find once stand-ins replace the fields that are wrong by themselves."""
    wrong = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
    if not wrong:
        return []
    if "jwt_secret_is_base64" in wrong:
        wrong.add("jwt_secret")
    rest = {field: value for field, value in values.items() if field not in wrong}
    secret = base64.b64encode(token_bytes(MIN_SECRET_BYTES)).decode()
    try:
        Settings.model_validate({"database_url": "postgresql://", "jwt_secret": secret, **rest})
    except ValidationError as among_the_rest:
        return _sentences(among_the_rest)
    return []


def _sentences(error: ValidationError) -> list[str]:
    sentences: list[str] = []
    for problem in error.errors(include_input=False, include_url=False):
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            sentences.extend(message.split("\n"))
            continue
        name = variable(str(problem["loc"][0]))
        if problem["type"] == "missing":
            message = "is not set"
        elif problem["type"] != "value_error":
            message = "is wrong: " + message[:1].lower() + message[1:]
        sentences.append(f"{name} {message}")
    return sentences
