"""Whether connections to the database may cross a public network without TLS.

By default, the driver encrypts only if the server offers TLS, as psql does. Names of one label and private
addresses count as a private network, such as that of a compose stack.
"""

from ipaddress import ip_address
from typing import Final

from app.diagnostics.check.findings import Finding, warning
from app.settings import Settings, variable
from app.settings.dsn import parameters_of

_ENCRYPTED: Final = frozenset({"require", "verify-ca", "verify-full"})
_OWN_NETWORKS: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".svc")
_URLS: Final = ("database_url", "owner_database_url", "authenticator_database_url", "listen_database_url")


def judge(settings: Settings) -> list[Finding]:
    names = [
        variable(name)
        for name in _URLS
        if (url := getattr(settings, name)) is not None and is_exposed(url.get_secret_value())
    ]
    if not names:
        return []
    return [
        warning(
            f"{' and '.join(names)} may cross a network without TLS: sslmode does not require it.",
            "Add sslmode=verify-full, and sslrootcert with the certificate file of the server's authority.",
        )
    ]


def is_exposed(url: str) -> bool:
    """Whether a URL leads over a public network and does not require TLS."""
    parameters = parameters_of(url)
    if parameters.get("sslmode") in _ENCRYPTED:
        return False
    return any(map(_is_public, parameters.get("host", "").split(",")))


def _is_public(host: str) -> bool:
    try:
        return ip_address(host).is_global
    except ValueError:
        own = "." not in host.rstrip(".") or host.rstrip(".").lower().endswith(_OWN_NETWORKS)
        return not (host.startswith("/") or own)
