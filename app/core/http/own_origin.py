"""This origin as the client sees it, and what to say where a proxy in front has hidden a part of it."""

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
    """Admit a request that leans on cookies if it is this origin's, or a trusted one's.

    Raises OriginDenied.
    """
    own = origin_of(client.scheme, client.host)
    if client.port and origin is not None:
        # A proxy that drops the port and names it is believed. It may name one of its own, behind another
        # proxy, so the origin without it holds as well
        with_port = origin_of(client.scheme, public_host(client))
        own = with_port if origin.lower() == with_port else own
    try:
        origins.check(origin, fetch_site, own)
    except OriginDenied as error:
        raise _explained(error.reason, origin or b"", own) from None


def _explained(why: str, origin: bytes, own: bytes) -> OriginDenied:
    """The refusal with both origins in its reason, and in its hint if they are of one host.

    Another host is not written into an answer: it is the caller's to choose.
    """
    seen, theirs = own.decode("latin-1"), origin[:_REPORTED_BYTES].decode("latin-1")
    if not origin:
        return OriginDenied(reason=f"{why}, and this is {seen}")
    hint = _fix(origin.lower(), own)
    if hint is not None:
        hint = f"The request came from {theirs}, and the gateway takes itself for {seen}. {hint}"
    return OriginDenied(reason=f"{why} {theirs}, and this is {seen}", hint=hint)


def _fix(origin: bytes, own: bytes) -> str | None:
    """What to change at a proxy in front, where the two differ by what proxies lose."""
    theirs, ours = _ORIGIN(origin), _ORIGIN(own)
    if theirs is None or ours is None or theirs[2] != ours[2]:
        return None
    if theirs[1] != ours[1]:
        return "The proxy in front has to be in POSTGATE_TRUSTED_PROXIES and to send X-Forwarded-Proto."
    return "The port differs: the proxy in front has to pass Host on with its port (nginx: $http_host)."
