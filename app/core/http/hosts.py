"""The Host field: its syntax, and the origin it names (RFC 9112 section 3.2, RFC 3986 section 3.2.2)."""

import re

from app.core.http.octets import holds
from app.errors import HostInvalid

# No userinfo and no path: `Host: a@b/c?` changes URLs that are built from it (CVE-2026-48710).
_HOST = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?").fullmatch
_LAST_PORT = 65535
_CACHED_HOSTS = 256
_CACHED_HOST_BYTES = 255
_valid: set[bytes] = set()


def is_host(value: bytes) -> bool:
    """Whether a Host value is well-formed. Valid ones are cached, since clients repeat them."""
    if value in _valid:
        return True
    match = _HOST(value)
    if match is None or int(match[1] or 0) > _LAST_PORT:
        return False
    if len(_valid) < _CACHED_HOSTS and len(value) <= _CACHED_HOST_BYTES:
        _valid.add(value)
    return True


def has_port(host: bytes) -> bool:
    """Whether a well-formed Host value names a port."""
    return host.rpartition(b":")[2].isdigit() and holds(host, b":")


def origin_of(scheme: str, host: bytes) -> bytes:
    """An origin as browsers serialize it: lower case, no default port (RFC 6454 section 6.2)."""
    host = host.lower()
    default = b":443" if scheme == "https" else b":80"
    return b"%b://%b" % (scheme.encode(), host.removesuffix(default))


def check_host(host: bytes, count: int, version: str) -> None:
    """Raises HostInvalid unless there is one valid Host, in HTTP/1.0 at most one (RFC 9112 section 3.2)."""
    if count == 1:
        if not is_host(host):
            raise HostInvalid(reason="malformed")
    elif count > 1 or version == "1.1":
        raise HostInvalid(reason="missing" if not count else "more than one")
