"""Location and Content-Location of a relayed response, as public references (RFC 9110 section 10.2.2).

An upstream writes them with a path that lacks the stripped prefix, or with the authority to which the gateway
connects. A reference to the upstream becomes a path of this origin. A path has no scheme and no port, so it
is correct even if a proxy in front hides them.
"""

import re
from collections.abc import Sequence

from app.core.http.routing import Route

_WITH_AUTHORITY = re.compile(rb"(?:(https?):)?//([^/?#\\]+)(.*)", re.IGNORECASE | re.DOTALL).fullmatch
_DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}
# Browsers read `/\` and `/<tab>/` as `//`, which names another host (WHATWG URL, section 4.4)
_OPENS_AUTHORITY = (b"/", b"\\", b"\t")


def public_location(value: bytes, route: Route, host: bytes) -> bytes:
    """An upstream's reference as a public one.

    `host` is the public authority, as the client sent it. References to other origins, relative paths,
    queries and fragments stay unchanged.
    """
    path = value
    if not value.startswith(b"/") or value.startswith(b"//"):
        match = _WITH_AUTHORITY(value)
        if match is None or not _is_upstream((match[1] or b"http").lower(), match[2].lower(), route, host):
            return value
        path = match[3] if match[3].startswith(b"/") else b"/" + match[3]
    elif not route.strip:
        return value
    if route.strip and not path.startswith(route.prefix):
        return route.prefix[:-1] + path
    return b"/." + path if path[1:2] in _OPENS_AUTHORITY else path


def _is_upstream(scheme: bytes, authority: bytes, route: Route, host: bytes) -> bool:
    """Whether an authority is the Host that the upstream got, with the default port of either scheme."""
    own = {route.authority.lower().removesuffix(b":80")}
    if route.passes_host and host:
        own.add(host.lower().removesuffix(_DEFAULT_PORTS[scheme]))
    return authority.removesuffix(_DEFAULT_PORTS[scheme]) in own or authority.removesuffix(b":80") in own


def with_public_locations(
    lines: Sequence[bytes], indexes: Sequence[int], route: Route, path: bytes, host: bytes
) -> Sequence[bytes]:
    """The lines of a response, with those at `indexes` (the two fields) as public references.

    `path` is the request's. Responses of SQL functions stay unchanged: there the function writes the fields,
    not PostgREST.
    """
    functions = route.functions_prefix
    if functions and path.startswith(functions):
        return lines
    moved = list(lines)
    for index in indexes:
        name, _, value = lines[index].partition(b":")
        moved[index] = b"%b: %b\r\n" % (name, public_location(value.strip(b" \t\r\n"), route, host))
    return moved
