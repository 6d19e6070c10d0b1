"""Connection strings in libpq's syntax, converted to URLs for the driver. All verbs use this.

A string is a URL or `key=value` pairs, with the same parameters (PostgreSQL manual, "Connection Strings"). No
error contains a value: any part of the text may be part of a password with unescaped special characters.
"""

import re
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from app.settings.libpq import RULES, apply_rules

_SHAPE: Final = (
    "is not postgresql://user:password@host:port/database (special characters of a password as %XX)"
)
_URL = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^:@/?#\[\]]*)(?::(?P<password>[^@/?#\[\]]*))?@)?"
    r"(?P<hosts>[^@/?#]*)(?:/(?P<dbname>[^?#/@]*))?(?:\?(?P<query>[^#]*))?",
    re.ASCII,
).fullmatch
_PLACE = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<name>[^\[\]:,]+))(?::(?P<port>\d*))?", re.ASCII).fullmatch
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?|/[^\0]*|@[^\0]+", re.ASCII).fullmatch
_PAIR = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)", re.DOTALL)
_LOOKS_LIKE_PAIRS = re.compile(r"\s*[A-Za-z_]\w*\s*=", re.ASCII).match
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})").search
_PARAMETER = re.compile(r"[a-z_]{2,40}").fullmatch
_LAST_PORT: Final = 65_535


def read_dsn(text: str) -> str:
    """The URL for the driver. Raises ValueError with a predicate for the name of the setting."""
    text = text.strip()
    if text.startswith("jdbc:"):
        raise ValueError("is a JDBC URL: write postgresql://user:password@host:port/database")
    scheme = text.partition("://")[0]
    if "://" in text and scheme.startswith(("postgres+", "postgresql+")):
        raise ValueError("has a scheme with a driver, as SQLAlchemy uses: write postgresql://")
    if _LOOKS_LIKE_PAIRS(text):
        return _url_of(apply_rules(_read_pairs(text)))
    parameters = _read_url(text)
    kept = apply_rules(parameters)
    return text if kept == parameters and "?" not in text else _url_of(kept)


def _read_url(text: str) -> dict[str, str]:
    found = _URL(text)
    if found is None or (found["query"] and "@" in found["query"] and "@" not in text.partition("?")[0]):
        raise ValueError(_SHAPE)
    if _BAD_ESCAPE(text):
        raise ValueError("has a % without two hexadecimal digits after it: write it as %25")
    if "%00" in text:
        raise ValueError("has a NUL character (%00)")
    parameters = {
        name: _decode(found[name]) for name in ("user", "password", "dbname") if found[name] is not None
    }
    if found["hosts"]:
        parameters |= _read_hosts(found["hosts"])
    for pair in filter(None, (found["query"] or "").split("&")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(_SHAPE)
        name, value = _decode(name), _decode(value)
        if (name, value) == ("ssl", "true"):  # libpq accepts it for compatibility with JDBC
            name, value = "sslmode", "require"
        name = "dbname" if name == "database" else name
        if name not in RULES:
            raise ValueError(_unknown(name))
        parameters[name] = value
    return _check(parameters)


def _read_hosts(text: str) -> dict[str, str]:
    """`host` and `port` of a URL, each a list separated by commas as in libpq."""
    hosts, ports = [], []
    for place in text.split(","):
        found = _PLACE(place)
        if found is None:
            raise ValueError(_SHAPE)
        hosts.append(_decode(found["v6"] or found["name"]))
        ports.append(found["port"] or "")
    return {"host": ",".join(hosts), **({"port": ",".join(ports)} if any(ports) else {})}


def _read_pairs(text: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    at = 0
    while text[at:].strip():
        found = _PAIR.match(text, at)
        if found is None:
            raise ValueError("is neither a URL nor libpq pairs such as host=db user=gateway dbname=app")
        name = found[1]
        if name not in RULES:  # after an unquoted password with blanks, the name may be part of the password
            raise ValueError(_unknown("" if "password" in parameters else name))
        parameters[name] = re.sub(r"\\(.)", r"\1", found[2] or found[3] or "", flags=re.DOTALL)
        at = found.end()
    return _check(parameters)


def _unknown(name: str) -> str:
    described = f"the parameter {name}" if _PARAMETER(name) else "a parameter"
    return (
        f"has {described}, which libpq does not have: remove it, or write a setting of the server as "
        "options=-c%20name%3Dvalue"
    )


def _check(parameters: dict[str, str]) -> dict[str, str]:
    hosts = parameters.get("host", "").split(",")
    ports = parameters.get("port", "").split(",")
    if len(hosts) > 1 and not all(hosts):
        raise ValueError("has an empty entry in its list of hosts")
    if not all(not host or _HOST_NAME(host) or _is_ipv6(host) for host in hosts):
        raise ValueError(_SHAPE)
    if any(host.startswith("@") for host in hosts):
        raise ValueError("names an abstract socket, which the driver does not support: name a folder")
    if not all(port == "" or (port.isdecimal() and 0 < int(port) <= _LAST_PORT) for port in ports):
        raise ValueError("has a port that is not a number from 1 to 65535")
    if len(ports) not in {1, len(hosts)}:
        raise ValueError("has a different number of ports and hosts")
    return parameters


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def _decode(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError("has escapes (%XX) that are not UTF-8") from None


def _url_of(parameters: dict[str, str]) -> str:
    """A URL with these parameters for the driver. Sockets are in its query."""
    rest = dict(parameters)
    user, password, dbname = (rest.pop(name, "") for name in ("user", "password", "dbname"))
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    hosts = rest.get("host", "").split(",")
    ports = [port or "5432" for port in rest["port"].split(",")] if "port" in rest else []
    places = ""
    if hosts[0] and not any(host.startswith("/") for host in hosts):
        del rest["host"]
        rest.pop("port", None)
        ports = ports * len(hosts) if len(ports) == 1 else ports
        endings = [f":{port}" for port in ports] or [""] * len(hosts)
        places = ",".join(_bracketed(host) + ending for host, ending in zip(hosts, endings, strict=True))
    elif ports:
        rest["port"] = ",".join(ports)
    query = "&".join(f"{name}={quote(value, safe='/,:')}" for name, value in rest.items())
    return (
        f"postgresql://{login}{'@' if login else ''}{places}"
        f"{'/' if dbname else ''}{quote(dbname, safe='')}{'?' if query else ''}{query}"
    )


def _bracketed(host: str) -> str:
    return f"[{quote(host, safe=':.')}]" if _is_ipv6(host) else host


def parameters_of(url: str) -> dict[str, str]:
    """The parameters of a URL that `read_dsn` has returned."""
    return _read_url(url)
