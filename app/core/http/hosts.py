"""The Host field: what may name this origin (RFC 9112 section 3.2, RFC 3986 section 3.2.2)."""

import re

from app.errors import HostInvalid

# No userinfo and no path: `Host: a@b/c?` has rewritten URLs that were built from it (CVE-2026-48710).
_HOST = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?").fullmatch
_LAST_PORT = 65535
_REMEMBERED = 256
_REMEMBERED_BYTES = 255
_good: set[bytes] = set()


def is_host(value: bytes) -> bool:
    """Whether a Host value is well-formed. Good ones are remembered: a connection asks with each request."""
    if value in _good:
        return True
    match = _HOST(value)
    if match is None or int(match[1] or 0) > _LAST_PORT:
        return False
    if len(_good) < _REMEMBERED and len(value) <= _REMEMBERED_BYTES:
        _good.add(value)
    return True


def has_port(host: bytes) -> bool:
    """Whether a well-formed Host value names a port."""
    return host.rpartition(b":")[2].isdigit() and b":" in host


def origin_of(scheme: str, host: bytes) -> bytes:
    """An origin as browsers write it: lower case, no port that its scheme implies (RFC 6454 section 6.2)."""
    host = host.lower()
    default = b":443" if scheme == "https" else b":80"
    return b"%b://%b" % (scheme.encode(), host.removesuffix(default))


def check_host(host: bytes, count: int, version: str) -> None:
    """A request names one host (RFC 9112 section 3.2). Raises HostInvalid."""
    if count == 1:
        if not is_host(host):
            raise HostInvalid(reason="malformed")
    elif count > 1 or version == "1.1":
        raise HostInvalid(reason="missing" if not count else "more than one")
