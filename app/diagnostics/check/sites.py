"""Whether pages of the trusted origins can have a session: browsers tell sites apart, not only origins.

A cookie with SameSite=Lax is neither kept from nor sent with a request that a page of another site makes
(RFC 6265bis section 5.7.3). Which site the gateway itself is on, the settings do not say, except on loopback.
"""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from app.diagnostics.check.findings import Finding, warning
from app.settings import Settings, variable

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def judge(settings: Settings) -> list[Finding]:
    """A warning if the origins cannot all be of the gateway's own site."""
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
            "site than the gateway's can sign in, and have no session: browsers drop their cookies, which "
            "have SameSite=Lax.",
            "Serve the pages from the gateway's own site, as app.example.com and api.example.com are one, "
            "both by https. For pages of other sites, let the auth functions write SameSite=None; Secure.",
        )
    ]


def site(origin: str) -> str:
    """Scheme and registrable domain, taken for the last two labels: too wide for co.uk, never too narrow."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        host = ".".join(host.rstrip(".").split(".")[-2:])
    return f"{parts.scheme}://{host}"
