"""The public origin of the gateway, and the hint if a proxy in front hides a part of it."""

import re
from typing import Final

from app.core.http.forwarding import Client, public_host
from app.core.http.hosts import origin_of
from app.core.http.origins import Origins
from app.errors import OriginDenied

_ORIGIN = re.compile(rb"(https?)://([^/:\[]+|\[[^\]/]+\])(?::[0-9]+)?").fullmatch
_REPORTED_BYTES: Final = 128


def check_own_origin(
    origins: Origins, origin: bytes | None, fetch_site: bytes | None, client: Client
) -> None:
    """Admit a request with cookies from this origin or a trusted one. Raises OriginDenied."""
    own = origin_of(client.scheme, client.host)
    if client.port and origin is not None:
        # A proxy may remove the port from Host and report it. Behind another proxy it may report its own
        # port, so the origin without the port is accepted too
        with_port = origin_of(client.scheme, public_host(client))
        own = with_port if origin.lower() == with_port else own
    try:
        origins.check(origin, fetch_site, own)
    except OriginDenied as error:
        raise _explained(error.reason, origin or b"", own) from None


def _explained(why: str, origin: bytes, own: bytes) -> OriginDenied:
    """The error with both origins in its reason, and in its hint if they have the same host.

    A different host is not repeated in the response: the caller chose it.
    """
    seen, theirs = own.decode("latin-1"), origin[:_REPORTED_BYTES].decode("latin-1")
    if not origin:
        return OriginDenied(reason=f"{why}, and this is {seen}")
    hint = _fix(origin.lower(), own)
    if hint is not None:
        hint = f"The request came from {theirs}, but the gateway's origin seems to be {seen}. {hint}"
    return OriginDenied(reason=f"{why} {theirs}, and this is {seen}", hint=hint)


def _fix(origin: bytes, own: bytes) -> str | None:
    """The change for the proxy in front, if the origins differ only in scheme or port; else None."""
    theirs, ours = _ORIGIN(origin), _ORIGIN(own)
    if theirs is None or ours is None or theirs[2] != ours[2]:
        return None
    if theirs[1] != ours[1]:
        return "Add the proxy in front to POSTGATE_TRUSTED_PROXIES, and let it send X-Forwarded-Proto."
    return "The port differs: let the proxy in front forward Host with its port (nginx: $http_host)."
