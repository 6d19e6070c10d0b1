"""The header lines of a relayed response, as the client gets them."""

from collections.abc import Sequence

from app.core.http.locations import with_public_locations
from app.core.http.routing import Policy, Route
from app.core.relay.response_headers import ResponseHeaders, with_hardened
from app.core.session.cookie_names import CookieNames
from app.core.session.session_guard import without_session


def client_lines(
    read: ResponseHeaders, route: Route, names: CookieNames, *, path: bytes, host: bytes, secure: bool
) -> tuple[Sequence[bytes], str]:
    """The lines, and the name of a field that was dropped because it would set or clear the session.

    `path` and `host` are the request's, as the client sent them. `secure`: the client's cookies are Secure.
    The name is empty if none was dropped.
    """
    lines: Sequence[bytes] = read.lines
    dropped = ""
    if read.locations:
        lines = with_public_locations(lines, read.locations, route, path, host)
    if read.cors and keeps_cors(route):
        lines = [*lines, *read.cors]
    if read.sets_cookies:
        if route.identity:
            lines, dropped = without_session(lines, names)
        else:
            lines, sets_session = with_hardened(lines, names, secure=secure)
            read.has_cache_control = read.has_cache_control or sets_session
    return lines, dropped


def keeps_cors(route: Route) -> bool:
    """Whether the client gets the upstream's CORS fields: only where the route reads no credential."""
    return route.policy is Policy.NONE
