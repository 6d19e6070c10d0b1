"""Location and Content-Location of a relayed answer, as they lead from outside (RFC 9110 section 10.2.2).

An upstream writes them as it sees the request: with a path that lacks the stripped prefix, or with the
authority that the gateway dialled. A reference to the upstream itself becomes a path of this origin. A path
needs neither the public scheme nor the public port, so it is right even where a proxy in front hides them.
"""

import re
from collections.abc import Sequence

from app.core.http.routing import Route

_WITH_AUTHORITY = re.compile(rb"(?:(https?):)?//([^/?#\\]+)(.*)", re.IGNORECASE | re.DOTALL).fullmatch
_DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}
# Browsers take `/\` and `/<tab>/` for `//`, which names another host (WHATWG URL, section 4.4)
_OPENS_AUTHORITY = (b"/", b"\\", b"\t")


def public_location(value: bytes, route: Route, host: bytes) -> bytes:
    """A reference that an upstream wrote, as it leads there from outside.

    `host` is the public authority, as the client sent it. References to other origins, relative paths,
    queries and fragments are right as they are.
    """
    path = value
    if not value.startswith(b"/") or value.startswith(b"//"):
        found = _WITH_AUTHORITY(value)
        if found is None or not _is_upstream((found[1] or b"http").lower(), found[2].lower(), route, host):
            return value
        path = found[3] if found[3].startswith(b"/") else b"/" + found[3]
    elif not route.strip:
        return value
    if route.strip and not path.startswith(route.prefix):
        return route.prefix[:-1] + path
    return b"/." + path if path[1:2] in _OPENS_AUTHORITY else path


def _is_upstream(scheme: bytes, authority: bytes, route: Route, host: bytes) -> bool:
    """Whether an authority is the one that the upstream was addressed by, whatever scheme it assumes."""
    own = {route.authority.lower().removesuffix(b":80")}
    if route.passes_host and host:
        own.add(host.lower().removesuffix(_DEFAULT_PORTS[scheme]))
    return authority.removesuffix(_DEFAULT_PORTS[scheme]) in own or authority.removesuffix(b":80") in own


def with_public_locations(
    lines: Sequence[bytes], places: Sequence[int], route: Route, path: bytes, host: bytes
) -> Sequence[bytes]:
    """The lines of an answer, of which those in `places` are these two fields, as they lead from outside.

    `path` is the request's. What a function of SQL writes stays as written: PostgREST writes none there.
    """
    functions = route.functions_prefix
    if functions and path.startswith(functions):
        return lines
    moved = list(lines)
    for place in places:
        name, _, value = lines[place].partition(b":")
        moved[place] = b"%b: %b\r\n" % (name, public_location(value.strip(b" \t\r\n"), route, host))
    return moved
