"""All settings with their defaults, and the rules between them.

Every error names its variable, and never contains its value. Long because it is one flat list.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from app.catalogue import SHIPPED, plain_name
from app.settings.keys import KeyRing, read_ring
from app.settings.kinds import (
    CookieName,
    Count,
    DatabaseUrl,
    Function,
    Functions,
    Identifier,
    Issuers,
    LimitStorage,
    LimitWindows,
    LoginUrl,
    MailFrom,
    Members,
    Networks,
    Origins,
    Port,
    PublicUrl,
    PublishedKey,
    RestPrefixes,
    RoleClaimPath,
    Routes,
    Seconds,
    SmtpUrl,
    TemplatesFolder,
    UpstreamUrl,
    has_otel,
)
from app.settings.mail import mail_problems

PREFIX = "POSTGATE_"
MAX_LEEWAY_SECONDS = (
    30  # PostgREST's own leeway: with more, the gateway would admit tokens that PostgREST rejects
)
_PREFIXES = ("__host-", "__secure-")  # browsers compare these prefixes in any case (RFC 6265bis section 5.7)
_OWN_SCHEMA = "auth"  # the schema of Postgate's own functions


class _Reloaded:
    """Marks a field that SIGHUP reloads; the others keep their value until the process ends."""


_Value = TypeVar("_Value")
Reloadable = Annotated[_Value, _Reloaded()]


class Settings(BaseModel):
    """All settings. Field `x_y` is the variable POSTGATE_X_Y."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: Port = 8000
    admin_host: str = "127.0.0.1"
    admin_port: Port = 8001
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    reuse_port: bool = False

    log_format: Reloadable[Literal["auto", "json", "text"]] = "auto"
    log_requests: Reloadable[bool] = False
    log_lines_per_second: Reloadable[Count] = 20
    traces: Literal["pass", "create", "otel"] = "pass"

    database_url: DatabaseUrl
    owner_database_url: DatabaseUrl | None = None
    authenticator_database_url: DatabaseUrl | None = None
    listen_database_url: DatabaseUrl | None = None
    database_connections: Count = 4
    database_seconds: Seconds = 10
    postgrest_url: UpstreamUrl = "http://127.0.0.1:3000"
    rest_prefix: RestPrefixes = ("/rest/",)
    routes: Routes = ()

    jwt_secret: Reloadable[SecretStr]
    jwt_secret_is_base64: Reloadable[bool] = True
    jwt_audience: Reloadable[str | None] = None
    jwt_leeway_seconds: Reloadable[Annotated[int, Field(ge=0, le=MAX_LEEWAY_SECONDS)]] = 0
    role_claim: Reloadable[RoleClaimPath] = "role"
    require_exp: Reloadable[bool] = True
    issuers: Issuers = ()

    anon_role: Identifier = "anon"
    auth_schema: Identifier = _OWN_SCHEMA
    auth_functions: Functions = SHIPPED.public
    refresh_function: Function = "refresh_token"
    refresh_argument: Identifier | None = None
    account_functions: Functions = SHIPPED.account
    pre_request: Function | None = None
    token_members: Reloadable[Members] = ("token", "access_token", "accessToken", "jwt")
    token_body: Reloadable[Literal["auto", "keep", "strip"]] = "auto"  # noqa: S105  no password
    renewal: Reloadable[bool] = True
    revocation_outage: Literal["serve", "refuse"] = "serve"
    auth_body_bytes: Reloadable[Count] = 65_536

    account_argument: Reloadable[str] = "user_"
    password_functions: Functions | None = None
    password_checks: Count = 2
    password_queue: Reloadable[Count] = 256
    password_queue_seconds: Reloadable[Seconds] = 10
    rate_limit_storage: LimitStorage = "memory"
    login_limit_address: Reloadable[LimitWindows] = "60/minute,300/hour"
    login_limit_account: Reloadable[LimitWindows] = "20/minute,100/hour"
    login_limit_pair: Reloadable[LimitWindows] = "5/minute,20/hour,50/day"
    change_limit_address: Reloadable[LimitWindows] = "10/minute,100/hour"
    change_limit_session: Reloadable[LimitWindows] = "5/minute,20/hour,50/day"
    change_limit_account: Reloadable[LimitWindows] = "10/minute,40/hour"
    call_limit_address: Reloadable[LimitWindows] = "300/minute"

    access_cookie: CookieName = "access_token"
    refresh_cookie: CookieName = "refresh_token"
    cookie_secure: Reloadable[Literal["auto", "always", "never"]] = "auto"
    cookie_prefix: Literal["auto", "host", "none"] = "auto"
    anonymous: Reloadable[Literal["deny", "allow"]] = "deny"
    published_key: Reloadable[PublishedKey | None] = None
    login_url: Reloadable[LoginUrl | None] = None
    trusted_origins: Reloadable[Origins] = ()
    trusted_proxies: Reloadable[Networks] = ()
    hsts: Reloadable[Literal["off", "host", "subdomains"]] = "host"

    head_bytes: Reloadable[Count] = 65_536
    header_count: Reloadable[Count] = 100
    target_bytes: Reloadable[Count] = 16_384
    body_bytes: Reloadable[Annotated[int, Field(ge=0)]] = 0
    pipelined_requests: Reloadable[Count] = 32
    connections: Reloadable[Count] = 20_000
    address_connections: Reloadable[Count] = 2_000
    half_open_bytes: Reloadable[Count] = 67_108_864
    idle_seconds: Reloadable[Seconds] = 75
    head_seconds: Reloadable[Seconds] = 10
    body_stall_seconds: Reloadable[Seconds] = 30
    body_bytes_per_second: Reloadable[Annotated[int, Field(ge=0)]] = 500
    write_stall_seconds: Reloadable[Seconds] = 30
    linger_seconds: Reloadable[Seconds] = 2
    linger_bytes: Reloadable[Count] = 1_048_576
    drain_seconds: Seconds = 30
    postgrest_pool: Reloadable[Count | None] = None
    upstream_connections: Reloadable[Count] = 256
    upstream_connect_seconds: Reloadable[Seconds] = 3
    upstream_first_byte_seconds: Reloadable[Seconds] = 60
    upstream_stall_seconds: Reloadable[Seconds] = 60
    upstream_idle_seconds: Reloadable[Seconds] = 20
    upstream_queue: Reloadable[Count] = 1_000
    upstream_queue_seconds: Reloadable[Seconds] = 5

    smtp_url: SmtpUrl | None = None
    mail_from: MailFrom | None = None
    public_url: PublicUrl | None = None
    mail_templates: TemplatesFolder | None = None

    @model_validator(mode="before")
    @classmethod
    def _account_functions_of(cls, values: Any) -> Any:
        """The default of `account_functions`: Postgate's own ones, if the auth schema is theirs.

        In another schema, functions such as `change_password` belong to the API: they are relayed with the
        caller's token.
        """
        if isinstance(values, Mapping) and values.get("auth_schema", _OWN_SCHEMA) != _OWN_SCHEMA:
            return {"account_functions": (), **values}
        return values

    @model_validator(mode="after")
    def _check(self) -> "Settings":
        problems = [*self._secret_problems(), *self._listener_problems(), *self._cookie_problems()]
        problems += [*self._limit_problems(), *self._path_problems()]
        if self.smtp_url is not None:
            problems += mail_problems(self.mail_from, self.public_url)
        if self.traces == "otel" and not has_otel():
            problems.append(
                f"{PREFIX}TRACES=otel needs the extra otel: pip install '.[otel]' in Postgate's folder"
            )
        if any(network.prefixlen == 0 for network in self.trusted_proxies):
            problems.append(
                f"{PREFIX}TRUSTED_PROXIES trusts every address: name the addresses of the proxies"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _secret_problems(self) -> list[str]:
        try:
            self.jwt_ring  # noqa: B018  reading it is the check
        except ValueError as error:
            return [f"{PREFIX}JWT_SECRET {problem}" for problem in str(error).split("\n")]
        if self.published_key == self.jwt_secret.get_secret_value():
            return [f"{PREFIX}PUBLISHED_KEY is the JWT secret, which must not be published"]
        return []

    def _cookie_problems(self) -> list[str]:
        problems = []
        if self.access_cookie == self.refresh_cookie:
            problems.append(f"{PREFIX}REFRESH_COOKIE is the same as {PREFIX}ACCESS_COOKIE")
        if self.cookie_prefix == "host":
            problems += [
                f"{PREFIX}{name} already has a prefix, and {PREFIX}COOKIE_PREFIX=host adds one"
                for name, cookie in (
                    ("ACCESS_COOKIE", self.access_cookie),
                    ("REFRESH_COOKIE", self.refresh_cookie),
                )
                if cookie.lower().startswith(_PREFIXES)
            ]
            if self.cookie_secure == "never":
                problems.append(
                    f"{PREFIX}COOKIE_PREFIX=host needs Secure cookies, and {PREFIX}COOKIE_SECURE is never"
                )
        return problems

    def _path_problems(self) -> list[str]:
        return [
            f"{PREFIX}ROUTES has {route.prefix}, which {PREFIX}REST_PREFIX gives to PostgREST"
            for route in self.routes
            if route.prefix in self.rest_prefix
        ]

    def _limit_problems(self) -> list[str]:
        problems = []
        called = {*self.auth_functions, *self.account_functions}
        names = [plain_name(name) for name in sorted(called)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            problems.append(
                f"{PREFIX}AUTH_FUNCTIONS and {PREFIX}ACCOUNT_FUNCTIONS have {', '.join(twice)} in two "
                "schemas: both would have the same path"
            )
        if unknown := sorted(set(self.password_functions or ()) - called - set(names)):
            problems.append(
                f"{PREFIX}PASSWORD_FUNCTIONS has {', '.join(unknown)}, which is in neither "
                f"{PREFIX}AUTH_FUNCTIONS nor {PREFIX}ACCOUNT_FUNCTIONS"
            )
        if self.password_checks >= self.database_connections:
            problems.append(
                f"{PREFIX}PASSWORD_CHECKS is not less than {PREFIX}DATABASE_CONNECTIONS: "
                "sessions could not be renewed while passwords are checked"
            )
        return problems

    def _listener_problems(self) -> list[str]:
        problems = []
        if self.port and self.port == self.admin_port and self.host == self.admin_host:
            problems.append(f"{PREFIX}ADMIN_PORT is the same as {PREFIX}PORT")
        if self.cookie_secure == "never" and self.host not in {"127.0.0.1", "::1", "localhost"}:
            problems.append(
                f"{PREFIX}COOKIE_SECURE=never sends session cookies without TLS: it needs a loopback "
                f"{PREFIX}HOST"
            )
        hosts = (self.host.lower(), f"[{self.host}]", "127.0.0.1", "localhost")
        own = {f"http://{host}:{self.port}" for host in hosts}
        if self.postgrest_url in own:
            problems.append(f"{PREFIX}POSTGREST_URL is the gateway's own address")
        return problems

    def in_auth_schema(self, functions: Iterable[str]) -> list[str]:
        """The plain names of those functions that are in the auth schema."""
        split = (name.rpartition(".") for name in functions)
        return [name for schema, _, name in split if schema in {"", self.auth_schema}]

    @property
    def jwt_ring(self) -> KeyRing:
        """The keys. PostgREST reads `jwt-secret` and `jwt-secret-is-base64` in the same way."""
        return read_ring(self.jwt_secret.get_secret_value(), is_base64=self.jwt_secret_is_base64)

    @property
    def jwt_keys(self) -> tuple[bytes, ...]:
        """The symmetric keys of the ring."""
        return self.jwt_ring.secrets

    @property
    def owner_url(self) -> str:
        """The URL of the schema owner's login, for the owner's commands."""
        return (self.owner_database_url or self.database_url).get_secret_value()


RELOADABLE: Final = tuple(
    name
    for name, field in Settings.model_fields.items()
    if any(isinstance(mark, _Reloaded) for mark in field.metadata)
)
