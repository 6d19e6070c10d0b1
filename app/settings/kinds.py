"""The kinds of values that settings have: each reads text, and refuses in words without the value.

The words follow the name of a variable: "POSTGATE_ANON_ROLE is not a plain SQL name".
"""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from app.settings.routes import RouteSetting, check_upstream, read_routes

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}").fullmatch
_COOKIE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+").fullmatch
_ORIGIN = re.compile(r"https?://(?:[a-z0-9\-.]+|\[[0-9a-f:.]+\])(?::\d{1,5})?").fullmatch


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


Identifier = Annotated[str, AfterValidator(_identifier)]
CookieName = Annotated[str, AfterValidator(_cookie_name)]
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
