"""Whether pages of the trusted origins can have a session: SameSite compares sites, not origins.

A browser neither stores nor sends a cookie with SameSite=Lax in a request of a page of another site (RFC
6265bis section 5.7.3). The settings do not name the gateway's own site, except on loopback.
"""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from app.diagnostics.check.findings import Finding, warning
from app.settings import Settings, variable

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def judge(settings: Settings) -> list[Finding]:
    """A warning if the origins cannot all belong to the gateway's site."""
    origins = list(settings.trusted_origins)
    hosts = {urlsplit(origin).hostname for origin in origins}
    if settings.host in _LOOPBACK and hosts & _LOOPBACK:
        own = f"[{settings.host}]" if ":" in settings.host else settings.host
        origins.append(f"http://{own}:{settings.port}")
    if len({site(origin) for origin in origins}) < 2:  # noqa: PLR2004  one site, or none
        return []
    return [
        warning(
            f"{variable('trusted_origins')} names more than one site: {', '.join(origins)}. Pages of another "
            "site than the gateway's can sign in but get no session: browsers drop their cookies, which "
            "have SameSite=Lax.",
            "Serve the pages from the gateway's site, over https: app.example.com and api.example.com are "
            "one site. For pages of other sites, let the auth functions write SameSite=None; Secure.",
        )
    ]


def site(origin: str) -> str:
    """Scheme and registrable domain, taken as the last two labels: too wide for co.uk, never too narrow."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        host = ".".join(host.rstrip(".").split(".")[-2:])
    return f"{parts.scheme}://{host}"
