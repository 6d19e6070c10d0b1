"""libpq's parameters, up to PostgreSQL 18, and what each means to the gateway, whose driver is asyncpg.

The driver takes some as libpq does, and would send all others to the server as settings, which refuses the
connection. So each is decided here, before a socket opens: handed on, dropped because nothing is lost by it,
or refused with the reason. https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

# What becomes of a value: the value to hand on, or None to drop it. Raises ValueError with the reason
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
    """These change nothing; any other value asks for what the driver cannot do."""

    def rule(value: str) -> None:
        if value not in harmless:
            raise ValueError(reason)

    return rule


def _refuse(reason: str) -> Rule:
    def rule(_: str) -> None:
        raise ValueError(reason)

    return rule


def _replication(value: str) -> None:
    if value.lower() not in _OFF:
        raise ValueError("makes a connection for replication, which runs no functions: remove it")


def _encoding(value: str) -> None:
    if value.lower().replace("-", "") not in {"utf8", "auto", "unicode"}:
        raise ValueError("is another encoding than UTF8, and the gateway speaks UTF-8 alone: remove it")


def _authorities(value: str) -> str:
    if value == "system":
        raise ValueError(
            "is system, which the driver does not know: name the system's file, "
            "such as /etc/ssl/certs/ca-certificates.crt"
        )
    return value


RULES: Final[Mapping[str, Rule]] = {
    # Handed on
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
    # Dropped: the gateway has a rule of its own, or nothing depends on it
    "application_name": _drop,  # it says `postgate`
    "fallback_application_name": _drop,
    "connect_timeout": _drop,  # DATABASE_SECONDS
    "keepalives": _drop,  # each statement has its time, and the listener a beat
    "keepalives_idle": _drop,
    "keepalives_interval": _drop,
    "keepalives_count": _drop,
    "tcp_user_timeout": _drop,
    "sslcompression": _drop,  # there is none in TLS 1.3, nor in any OpenSSL of today
    "max_protocol_version": _drop,
    "client_encoding": _encoding,
    "replication": _replication,
    # Dropped where they ask for nothing, and refused where they do
    "channel_binding": _drop_if(
        "disable",
        "prefer",
        reason="is required, and the driver cannot bind a password to its TLS connection: remove it and have "
        "the server's certificate verified, with sslmode=verify-full and sslrootcert",
    ),
    "gssencmode": _drop_if(
        "disable", "prefer", reason="is required, and the driver encrypts with TLS alone: use sslmode"
    ),
    "gssdelegation": _drop_if("0", reason="is on, and the driver delegates no credentials: remove it"),
    "load_balance_hosts": _drop_if(
        "disable", reason="is on, and the driver tries hosts in their order: remove it"
    ),
    "min_protocol_version": _drop_if("3.0", reason="is not 3.0, which is all that the driver speaks"),
    "sslcertmode": _drop_if(
        "allow", reason="is neither allow nor left out, which is all that the driver can do: remove it"
    ),
    "sslsni": _drop_if("1", reason="is off, and the driver always names the server: remove it"),
    # Refused: each asks for something that would silently not happen
    "require_auth": _refuse("cannot be enforced by the driver: remove it, or use sslmode=verify-full"),
    "requirepeer": _refuse("cannot be enforced by the driver: remove it"),
    "requiressl": _refuse("has another name today: write sslmode=require"),
    "sslcrldir": _refuse("is not known to the driver: name one file with sslcrl"),
    "sslkeylogfile": _refuse("writes down the keys of TLS connections: remove it"),
    "scram_client_key": _refuse("is not known to the driver: give the password"),
    "scram_server_key": _refuse("is not known to the driver: give the password"),
    "oauth_issuer": _refuse(
        "is not known to the driver, which has no OAuth: use a password or a certificate"
    ),
    "oauth_client_id": _refuse("is not known to the driver, which has no OAuth"),
    "oauth_client_secret": _refuse("is not known to the driver, which has no OAuth"),
    "oauth_scope": _refuse("is not known to the driver, which has no OAuth"),
    "service": _refuse("names a file of libpq's, which the gateway does not read: write out what it says"),
    "servicefile": _refuse("names a file of libpq's, which the gateway does not read"),
    "hostaddr": _refuse("stands beside a host: name only one of them, and as the host"),  # alone: see dsn.py
}


def apply_rules(parameters: Mapping[str, str]) -> dict[str, str]:
    """What the driver gets of these parameters. Raises ValueError, a sentence without a value.

    Unknown names must have been refused.
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
