"""The kinds of values that settings have: each reads text, and refuses in words without the value.

The words follow the name of a variable: "POSTGATE_ANON_ROLE is not a plain SQL name".
"""

import re
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from app.settings.routes import RouteSetting, check_upstream, read_routes

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}").fullmatch
_COOKIE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+").fullmatch
_LOGIN_URL = re.compile(r"(?:https?://[A-Za-z0-9\-.:\[\]]+)?/(?![/\\])[!-\"$-~]*").fullmatch
_ORIGIN = re.compile(r"https?://(?:[a-z0-9\-.]+|\[[0-9a-f:.]+\])(?::\d{1,5})?").fullmatch
_WINDOW = r"[1-9]\d{0,8}/(?:second|minute|hour|day)"
_WINDOWS = re.compile(rf"off|{_WINDOW}(?:, ?{_WINDOW}){{0,4}}").fullmatch


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _identifier(value: str) -> str:
    if _IDENTIFIER(value) is None:
        raise ValueError("is not a plain SQL name")
    return value


def _cookie_name(value: str) -> str:
    if _COOKIE_NAME(value) is None:
        raise ValueError("is not a cookie name (RFC 6265 section 4.1.1)")
    return value


def _origin(value: str) -> str:
    if _ORIGIN(value) is None:
        raise ValueError("holds something that is not an origin: write https://app.example, no path, no *")
    return value


def _network(value: object) -> object:
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("holds something that is not an address or a network") from None


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
    """Whether what the extra `otel` brings is there."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:  # not even the package around it
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
    """Check what drivers forgive: a `/` or `#` in the password would be cut off as path or fragment."""
    try:
        parts = urlsplit(value.get_secret_value())
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"postgresql", "postgres"} or "@" in parts.path or parts.fragment:
        raise ValueError(
            "is not postgresql://user:password@host:port/database (special characters of a password as %XX)"
        )
    return value


def _routes(value: object) -> object:
    return read_routes(value) if isinstance(value, str) else value


LimitStorage = Annotated[Literal["memory"] | SecretStr, BeforeValidator(_limit_storage)]
LimitWindows = Annotated[str, AfterValidator(_limit_windows)]
Identifier = Annotated[str, AfterValidator(_identifier)]
CookieName = Annotated[str, AfterValidator(_cookie_name)]
LoginUrl = Annotated[str, AfterValidator(_login_url)]
Origin = Annotated[str, AfterValidator(_origin)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(check_database_url)]
UpstreamUrl = Annotated[str, AfterValidator(check_upstream)]
Identifiers = Annotated[tuple[Identifier, ...], BeforeValidator(_split)]
Origins = Annotated[tuple[Origin, ...], BeforeValidator(_split)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_split)]
Routes = Annotated[tuple[RouteSetting, ...], BeforeValidator(_routes)]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
