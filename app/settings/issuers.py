"""POSTGATE_ISSUERS: the issuers whose tokens are accepted as Bearer, as a JSON array of objects.

`[{"issuer": "https://id.example/realms/app", "audience": "api"}]`; optional members are `jwks_url` (absent:
OpenID discovery) and `algorithms`. Errors name an entry by its number and never contain a value.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from app.core.tokens.jwk import VERIFIED_ALGORITHMS

DEFAULT_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
# An issuer's keys are public, and a shared secret is none
_ALGORITHMS: Final = VERIFIED_ALGORITHMS - {"HS256"}
_MEMBERS: Final = ("issuer", "audience", "jwks_url", "algorithms")


@dataclass(frozen=True, slots=True)
class IssuerSetting:
    """One issuer, and what its tokens must have."""

    issuer: str  # as `iss` has it, byte for byte
    audiences: tuple[str, ...]  # `aud` must contain one of them
    jwks_url: str = ""  # empty: from the issuer's discovery document
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS


def read_issuers(text: str) -> tuple[IssuerSetting, ...]:
    """Parse the setting. Raises ValueError, a predicate for its name."""
    try:
        entries = json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON without duplicate members") from None
    if not isinstance(entries, list):
        raise ValueError('is not a JSON array: write [{"issuer": "https://...", "audience": "..."}]')  # noqa: TRY004
    issuers = tuple(_read_entry(number, entry) for number, entry in enumerate(entries, 1))
    if len({issuer.issuer for issuer in issuers}) != len(issuers):
        raise ValueError("has one issuer twice")
    return issuers


def is_allowed_url(url: str) -> bool:
    """Whether keys may be fetched from there: https, or http on a loopback host."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None or parts.fragment or not url.isprintable():
        return False
    return " " not in url and (
        parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate member")
    return value


def _read_entry(number: int, entry: object) -> IssuerSetting:
    if not isinstance(entry, Mapping):
        raise ValueError(f"has an entry {number} that is not an object")  # noqa: TRY004  one kind of error
    for name in entry:
        if name not in _MEMBERS:
            known = ", ".join(_MEMBERS)
            shown = f" {name}" if name.isascii() and name.isidentifier() else ""
            raise ValueError(f"has an unknown member{shown} in entry {number}: allowed are {known}")
    issuer, jwks_url = entry.get("issuer"), entry.get("jwks_url", "")
    if not isinstance(issuer, str) or not is_allowed_url(issuer):
        raise ValueError(
            f"has an issuer in entry {number} that is not a URL with https (or http on loopback)"
        )
    if "jwks_url" in entry and (not isinstance(jwks_url, str) or not is_allowed_url(jwks_url)):
        raise ValueError(
            f"has a jwks_url in entry {number} that is not a URL with https (or http on loopback)"
        )
    audiences = _texts(entry.get("audience"))
    if not audiences:
        raise ValueError(f"has no audience in entry {number}: a text or an array of texts")
    algorithms = _texts(entry.get("algorithms", list(DEFAULT_ALGORITHMS)))
    if not algorithms or not _ALGORITHMS.issuperset(algorithms):
        known = ", ".join(sorted(_ALGORITHMS))
        raise ValueError(f"has algorithms in entry {number} that are not accepted: allowed are {known}")
    return IssuerSetting(issuer, audiences, jwks_url, algorithms)


def _texts(value: object) -> tuple[str, ...]:
    """A text or an array of texts; empty for anything else."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(each, str) and each for each in values):
        return ()
    return tuple(values)
