"""libpq's parameters, up to PostgreSQL 18, and how the gateway, whose driver is asyncpg, treats each.

asyncpg supports some of them, and would send all others to the server as settings, which rejects the
connection. So each parameter is passed on, dropped if that has no effect, or rejected with a reason.
https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

# Returns the value to pass on, or None to drop it. Raises ValueError with the reason
Rule: TypeAlias = Callable[[str], str | None]

_OFF: Final = frozenset({"", "0", "false", "off", "no"})
_TLS_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SESSIONS: Final = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")


def _keep(value: str) -> str:
    return value


def _drop(_: str) -> None:
    return None


def _one_of(*allowed: str) -> Rule:
    def rule(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"is none of {', '.join(allowed)}")
        return value

    return rule


def _drop_if(*harmless: str, reason: str) -> Rule:
    """Drops the `harmless` values and rejects others, which the driver does not support."""

    def rule(value: str) -> None:
        if value not in harmless:
            raise ValueError(reason)

    return rule


def _reject(reason: str) -> Rule:
    def rule(_: str) -> None:
        raise ValueError(reason)

    return rule


def _replication(value: str) -> None:
    if value.lower() not in _OFF:
        raise ValueError("opens a replication connection, which cannot call functions: remove it")


def _encoding(value: str) -> None:
    if value.lower().replace("-", "") not in {"utf8", "auto", "unicode"}:
        raise ValueError("is not UTF8, the only encoding of the gateway: remove it")


def _authorities(value: str) -> str:
    if value == "system":
        raise ValueError(
            "is system, which the driver does not support: name the system's file, such as "
            "/etc/ssl/certs/ca-certificates.crt"
        )
    return value


RULES: Final[Mapping[str, Rule]] = {
    # Passed on
    "host": _keep,
    "port": _keep,
    "dbname": _keep,
    "user": _keep,
    "password": _keep,
    "passfile": _keep,
    "options": _keep,
    "sslmode": _one_of(*SSL_MODES),
    "sslnegotiation": _one_of("postgres", "direct"),
    "sslcert": _keep,
    "sslkey": _keep,
    "sslpassword": _keep,
    "sslrootcert": _authorities,
    "sslcrl": _keep,
    "ssl_min_protocol_version": _one_of(*_TLS_VERSIONS),
    "ssl_max_protocol_version": _one_of(*_TLS_VERSIONS),
    "target_session_attrs": _one_of(*_SESSIONS),
    "krbsrvname": _keep,
    "gsslib": _one_of("gssapi", "sspi"),
    # Dropped: the gateway sets it itself, or it has no effect
    "application_name": _drop,  # the gateway sets `postgate`
    "fallback_application_name": _drop,
    "connect_timeout": _drop,  # DATABASE_SECONDS
    "keepalives": _drop,  # each statement has a timeout, and the listener a heartbeat
    "keepalives_idle": _drop,
    "keepalives_interval": _drop,
    "keepalives_count": _drop,
    "tcp_user_timeout": _drop,
    "sslcompression": _drop,  # neither TLS 1.3 nor current OpenSSL has compression
    "max_protocol_version": _drop,
    "client_encoding": _encoding,
    "replication": _replication,
    # Dropped if the value has no effect, else rejected
    "channel_binding": _drop_if(
        "disable",
        "prefer",
        reason=(
            "is required, and the driver does not support channel binding: remove it and verify the "
            "server's certificate, with sslmode=verify-full and sslrootcert"
        ),
    ),
    "gssencmode": _drop_if(
        "disable", "prefer", reason="is required, and the driver encrypts with TLS only: use sslmode"
    ),
    "gssdelegation": _drop_if("0", reason="is on, and the driver delegates no credentials: remove it"),
    "load_balance_hosts": _drop_if(
        "disable", reason="is on, and the driver connects to hosts in the given order: remove it"
    ),
    "min_protocol_version": _drop_if("3.0", reason="is not 3.0, the only version of the driver"),
    "sslcertmode": _drop_if(
        "allow", reason="has a value other than allow, the only supported one: remove it"
    ),
    "sslsni": _drop_if("1", reason="is off, and the driver always sends the server's name: remove it"),
    # Rejected: it would silently have no effect
    "require_auth": _reject("cannot be enforced by the driver: remove it, or use sslmode=verify-full"),
    "requirepeer": _reject("cannot be enforced by the driver: remove it"),
    "requiressl": _reject("is obsolete: write sslmode=require"),
    "sslcrldir": _reject("is not supported by the driver: name one file with sslcrl"),
    "sslkeylogfile": _reject("writes the keys of TLS connections to a file: remove it"),
    "scram_client_key": _reject("is not supported by the driver: give the password"),
    "scram_server_key": _reject("is not supported by the driver: give the password"),
    "oauth_issuer": _reject(
        "is not supported by the driver, which has no OAuth: use a password or a certificate"
    ),
    "oauth_client_id": _reject("is not supported by the driver, which has no OAuth"),
    "oauth_client_secret": _reject("is not supported by the driver, which has no OAuth"),
    "oauth_scope": _reject("is not supported by the driver, which has no OAuth"),
    "service": _reject(
        "names a service file of libpq, which the gateway does not read: write its parameters out"
    ),
    "servicefile": _reject("names a file of libpq's, which the gateway does not read"),
    "hostaddr": _reject("is given together with host: give only host"),  # without host: see dsn.py
}


def apply_rules(parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters for the driver. Raises ValueError, a predicate without a value.

    Unknown names must have been rejected before.
    """
    given = dict(parameters)
    if "hostaddr" in given and not given.get("host"):
        given["host"] = given.pop("hostaddr")
    kept: dict[str, str] = {}
    for name, value in given.items():
        try:
            result = RULES[name](value)
        except ValueError as error:
            raise ValueError(f"has the parameter {name}, which {error}") from None
        if result:
            kept[name] = result
    mode = kept.get("sslmode", "prefer")
    if kept.get("sslnegotiation") == "direct" and mode not in SSL_MODES[3:]:
        raise ValueError("has sslnegotiation=direct, which takes sslmode=require, verify-ca or verify-full")
    return kept
