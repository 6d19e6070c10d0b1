"""POSTGATE_ROUTES and POSTGATE_REST_PREFIX: which paths lead to which service, as text.

One route is `PREFIX UPSTREAM [required|optional|none]` and any of `strip`, `host`, `websocket`,
`body_bytes=N`, `stall_seconds=N` and `first_byte_seconds=N`; several are separated by commas:
`/files/ http://files:9000 required strip, /live/ unix:/run/live.sock optional websocket`.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Literal

Policy = Literal["required", "optional", "none"]
_POLICIES: dict[str, Policy] = {"required": "required", "optional": "optional", "none": "none"}
_FLAGS = frozenset({"strip", "host", "websocket"})
_PREFIX = re.compile(r"/(?:[A-Za-z0-9\-._~]+/)*").fullmatch
_NUMBER = re.compile(  # the options with a number, by their written name
    r"(body_bytes=\d{1,15}|(?:stall|first_byte)_seconds=\d{1,9}(?:\.\d{1,3})?)", re.ASCII
).fullmatch
_LABEL = r"[a-z0-9_-]{1,63}"
_HTTP = re.compile(
    rf"http://(?:(?P<name>{_LABEL}(?:\.{_LABEL})*\.?)|\[(?P<ipv6>[0-9a-f:.]+(?:%[a-z0-9._-]+)?)\])"
    r"(?::(?P<port>\d{1,5}))?(?:/|(?P<more>[/?#].*))?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
).fullmatch
_LAST_PORT = 65_535
FUNCTIONS_PREFIX = "/rpc/"  # PostgREST's own prefix of SQL functions


@dataclass(frozen=True, slots=True)
class RouteSetting:
    """A path prefix and the service behind it."""

    prefix: str
    upstream: str
    policy: Policy = "required"
    strip: bool = False
    host: bool = False  # forward the client's Host
    websocket: bool = False
    body_bytes: int | None = None  # None: the value of the general setting
    stall_seconds: float | None = None  # 0: no deadline
    first_byte_seconds: float | None = None


def check_upstream(value: str) -> str:
    """An upstream's address, `http://host[:port]` or `unix:/path`, normalized. Raises ValueError.

    Rejects credentials, a path and a query, which the gateway does not use.
    """
    if value.startswith("unix:/"):
        return value
    found = _HTTP(value)
    port = int(found["port"] or 80) if found else 0
    if found is None or not 0 < port <= _LAST_PORT:
        raise ValueError("is not http://host:port or unix:/path")
    if found["more"]:
        raise ValueError("has a path or query: the gateway sends the client's")
    host = found["name"].lower() if found["name"] else f"[{_ipv6(found['ipv6'])}]"
    return f"http://{host}:{port}" if found["port"] else f"http://{host}"


def read_rest_prefixes(text: str) -> tuple[str, ...]:
    """Parse POSTGATE_REST_PREFIX: the prefixes of PostgREST, separated by commas. Raises ValueError."""
    prefixes = tuple(part.strip() for part in text.split(",") if part.strip())
    for number, prefix in enumerate(prefixes, 1):
        if not _is_plain(prefix):
            raise ValueError(f"has entry {number} that is not plain and between slashes")
        if prefix.endswith(FUNCTIONS_PREFIX):
            raise ValueError(
                f"has {FUNCTIONS_PREFIX} at the end of entry {number}: that is the place of functions under "
                "each prefix"
            )
        if prefix.startswith(("/auth/", "/.well-known/")):
            raise ValueError(f"has entry {number} under /auth/ or /.well-known/, which is the gateway's")
    if not prefixes:
        raise ValueError("has no prefix")
    if len(set(prefixes)) != len(prefixes):
        raise ValueError("has one prefix twice")
    return prefixes


def _is_plain(prefix: str) -> bool:
    return _PREFIX(prefix) is not None and {".", ".."}.isdisjoint(prefix.split("/"))


def _ipv6(text: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except ValueError:
        raise ValueError("has an invalid IPv6 address") from None


def read_routes(text: str) -> tuple[RouteSetting, ...]:
    """Parse the setting. Raises ValueError about the first invalid entry."""
    entries = [entry.split() for entry in text.split(",") if entry.strip()]
    routes = tuple(_read_route(number, words) for number, words in enumerate(entries, 1))
    prefixes = [route.prefix for route in routes]
    if len(set(prefixes)) != len(prefixes):
        raise ValueError("has one prefix twice")
    return routes


def _read_route(number: int, words: list[str]) -> RouteSetting:
    """Parse one entry. Errors give its number instead of its text, which may contain a password."""
    if len(words) == 1:
        raise ValueError(f"gives no upstream in entry {number}")
    prefix, upstream, *options = words
    if not _is_plain(prefix):
        raise ValueError(f"has a prefix in entry {number} that is not plain and between slashes")
    if prefix == FUNCTIONS_PREFIX:
        raise ValueError(f"has {prefix} in entry {number}, which is PostgREST's")
    try:
        address = check_upstream(upstream)
    except ValueError as error:
        raise ValueError(f"has an upstream in entry {number} that {error}") from None
    numbers = dict(word.split("=") for word in options if _NUMBER(word))
    given = [word for word in options if _NUMBER(word)]
    options = [word for word in options if word not in given]
    policies = [_POLICIES[word] for word in options if word in _POLICIES]
    unknown = [word for word in options if word not in _POLICIES and word not in _FLAGS]
    if unknown or len(policies) > 1 or len(given) > len(numbers):
        raise ValueError(
            f"has an unknown option in entry {number}: allowed are one policy, strip, host, websocket, "
            "body_bytes=N, stall_seconds=N, first_byte_seconds=N"
        )
    return RouteSetting(
        prefix,
        address,
        policies[0] if policies else "required",
        strip="strip" in options,
        host="host" in options,
        websocket="websocket" in options,
        body_bytes=int(numbers["body_bytes"]) if "body_bytes" in numbers else None,
        stall_seconds=_seconds(numbers, "stall_seconds"),
        first_byte_seconds=_seconds(numbers, "first_byte_seconds"),
    )


def _seconds(numbers: dict[str, str], name: str) -> float | None:
    return float(numbers[name]) if name in numbers else None
