"""The kinds of settings. Each parses text; its errors never contain the value.

An error is a predicate for the name of a variable: "POSTGATE_ANON_ROLE is not a plain SQL name".
"""

import os
import re
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from app.core.tokens.role_claim import read_role_claim
from app.settings.dsn import parameters_of, read_dsn
from app.settings.issuers import IssuerSetting, read_issuers
from app.settings.mail import read_public_url, read_sender, read_smtp_url, read_templates
from app.settings.routes import RouteSetting, check_upstream, read_rest_prefixes, read_routes

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}").fullmatch
_COOKIE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+").fullmatch
_LOGIN_URL = re.compile(r"(?:https?://[A-Za-z0-9\-.:\[\]]+)?/(?![/\\])[!-\"$-~]*").fullmatch
_ORIGIN = re.compile(r"https?://(?:[a-z0-9\-.]+|\[[0-9a-f:.]+\])(?::\d{1,5})?").fullmatch
_PUBLISHED_KEY = re.compile(r"[A-Za-z0-9\-._~+/]{1,8192}=*").fullmatch
_WINDOW = r"[1-9]\d{0,8}/(?:second|minute|hour|day)"
_WINDOWS = re.compile(rf"off|{_WINDOW}(?:, ?{_WINDOW}){{0,4}}").fullmatch


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _split_functions(value: object) -> object:
    """A list of functions. `none` is the empty list, because an empty variable counts as unset."""
    return () if value == "none" else _split(value)


def _identifier(value: str) -> str:
    if _IDENTIFIER(value) is None:
        raise ValueError("is not a plain SQL name")
    return value


def _function(value: str) -> str:
    schema, dot, name = value.rpartition(".")
    if (dot and _IDENTIFIER(schema) is None) or _IDENTIFIER(name) is None:
        raise ValueError("is not the name of a function: write name or schema.name")
    return value


def _members(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not all(all(path.split(".")) for path in value):
        raise ValueError("is not a list of members such as token,data.access_token")
    return value


def _cookie_name(value: str) -> str:
    if _COOKIE_NAME(value) is None:
        raise ValueError("is not a cookie name (RFC 6265 section 4.1.1)")
    return value


def _origin(value: str) -> str:
    if _ORIGIN(value) is None:
        raise ValueError("has an entry that is not an origin: write https://app.example, no path, no *")
    return value


def _network(value: object) -> object:
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("has an entry that is neither an address nor a network") from None


def _limit_storage(value: object) -> object:
    if not isinstance(value, str) or value == "memory":
        return value
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    place = {"redis": parts.hostname, "rediss": parts.hostname, "unix": parts.path}.get(parts.scheme)
    if not place or parts.fragment:
        raise ValueError(
            "is not memory, redis://:password@host:port/number, rediss://... or unix:///path"
            " (special characters of a password as %XX)"
        )
    if find_spec("redis") is None:
        raise ValueError("needs the extra valkey: pip install '.[valkey]' in Postgate's folder")
    return SecretStr(value)


def has_otel() -> bool:
    """Whether the packages of the extra `otel` are installed."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:  # the parent package is missing too
        return False


def _limit_windows(value: str) -> str:
    if _WINDOWS(value) is None:
        raise ValueError("is neither off nor limits such as 5/minute,20/hour (second, minute, hour, day)")
    return value


def _login_url(value: str) -> str:
    if _LOGIN_URL(value) is None:
        raise ValueError("is not a path or a URL without a fragment: /sign-in or https://app.example/in")
    return value


def check_database_url(value: SecretStr) -> SecretStr:
    """A connection string in libpq's syntax as the driver's URL. Raises ValueError.

    Checks that the named files exist, because the driver's error for a missing file blames the server.
    """
    url = read_dsn(value.get_secret_value())
    parameters = parameters_of(url)
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"):
        if name in parameters and not os.access(parameters[name], os.R_OK):
            raise ValueError(f"names a file in {name} that does not exist or that this user may not read")
    if parameters.get("sslmode", "").startswith("verify") and "sslrootcert" not in parameters:
        try:
            is_there = (Path.home() / ".postgresql/root.crt").is_file()
        except (RuntimeError, OSError):
            is_there = False
        if not is_there:
            raise ValueError(
                f"has sslmode={parameters['sslmode']} without sslrootcert: name the file of the authorities "
                "to trust, such as sslrootcert=/etc/ssl/certs/ca-certificates.crt"
            )
    return SecretStr(url)


def _role_claim(value: str) -> str:
    read_role_claim(value)
    return value


def _smtp_url(value: SecretStr) -> SecretStr:
    read_smtp_url(value.get_secret_value())
    return value


def _mail_from(value: str) -> str:
    read_sender(value)
    return value


def _routes(value: object) -> object:
    return read_routes(value) if isinstance(value, str) else value


def _rest_prefixes(value: object) -> object:
    return read_rest_prefixes(value) if isinstance(value, str) else value


def _published_key(value: str) -> str:
    if _PUBLISHED_KEY(value) is None:
        raise ValueError("is not a Bearer token: letters, digits and - . _ ~ + / = (RFC 6750 section 2.1)")
    return value


def _issuers(value: object) -> object:
    return read_issuers(value) if isinstance(value, str) else value


LimitStorage = Annotated[Literal["memory"] | SecretStr, BeforeValidator(_limit_storage)]
LimitWindows = Annotated[str, AfterValidator(_limit_windows)]
Identifier = Annotated[str, AfterValidator(_identifier)]
CookieName = Annotated[str, AfterValidator(_cookie_name)]
LoginUrl = Annotated[str, AfterValidator(_login_url)]
Origin = Annotated[str, AfterValidator(_origin)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(check_database_url)]
UpstreamUrl = Annotated[str, AfterValidator(check_upstream)]
Function = Annotated[str, AfterValidator(_function)]
Functions = Annotated[tuple[Function, ...], BeforeValidator(_split_functions)]
Members = Annotated[tuple[str, ...], AfterValidator(_members), BeforeValidator(_split)]
SmtpUrl = Annotated[SecretStr, AfterValidator(_smtp_url)]
MailFrom = Annotated[str, AfterValidator(_mail_from)]
PublicUrl = Annotated[str, AfterValidator(read_public_url)]
TemplatesFolder = Annotated[Path, AfterValidator(read_templates)]
RoleClaimPath = Annotated[str, AfterValidator(_role_claim)]
Origins = Annotated[tuple[Origin, ...], BeforeValidator(_split)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_split)]
Routes = Annotated[tuple[RouteSetting, ...], BeforeValidator(_routes)]
RestPrefixes = Annotated[tuple[str, ...], BeforeValidator(_rest_prefixes)]
PublishedKey = Annotated[str, AfterValidator(_published_key)]
Issuers = Annotated[tuple[IssuerSetting, ...], BeforeValidator(_issuers)]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
