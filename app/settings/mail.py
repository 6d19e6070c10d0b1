"""The settings of mail: the SMTP server, the sender, the base of links. No error contains a value."""

from dataclasses import dataclass, field
from email.errors import HeaderParseError, MessageDefect
from email.headerregistry import Address
from email.policy import SMTP
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

Transport = Literal["none", "starttls", "tls"]
_PORTS: Final[dict[Transport, int]] = {"none": 25, "starttls": 587, "tls": 465}
_FORM: Final = (
    "is not smtp://user:password@host:587 or smtps://user:password@host:465"
    " (special characters of user and password as %XX)"
)
MOST_ADDRESS_CHARACTERS: Final = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The address of the server, and how the gateway connects to it."""

    host: str
    port: int
    transport: Transport
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def has_mail() -> bool:
    """Whether the packages of the extra `mail` are installed."""
    return find_spec("aiosmtplib") is not None and find_spec("jinja2") is not None


def read_smtp_url(text: str) -> SmtpServer:
    """Read the URL of the SMTP server. Raises ValueError, a predicate for the name of a variable.

    `smtp` requires STARTTLS unless the server is on this machine, or `?tls=none` permits plain text.
    """
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ValueError(_FORM) from None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme not in {"smtp", "smtps"} or not host or parts.path not in {"", "/"} or parts.fragment:
        raise ValueError(_FORM)
    if (user == "") != (password == ""):
        raise ValueError("has a user without a password, or a password without a user")
    is_plain = options.pop("tls", "") == "none"
    if options or (not is_plain and parts.query) or (is_plain and parts.scheme == "smtps"):
        raise ValueError("has a parameter other than ?tls=none, which is for smtp:// only")
    transport: Transport = "tls" if parts.scheme == "smtps" else "starttls"
    if parts.scheme == "smtp" and (is_plain or is_loopback(host)):
        transport = "none"
    if is_plain and user and not is_loopback(host):
        raise ValueError("would send its password without TLS: remove ?tls=none")
    return SmtpServer(host, port or _PORTS[transport], transport, user, password)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def read_sender(text: str) -> Address:
    """Read a From field such as `Example <noreply@example.com>`. Raises ValueError, a predicate."""
    form = "is not one address such as noreply@example.com or Example <noreply@example.com>"
    try:
        header = SMTP.header_factory("From", text)
        addresses = header.addresses
        is_group = any(group.display_name is not None for group in header.groups)
    except (ValueError, IndexError, HeaderParseError, MessageDefect):
        raise ValueError(form) from None
    if header.defects or is_group or len(addresses) != 1 or not is_mailable(addresses[0].addr_spec):
        raise ValueError(form)
    sender: Address = addresses[0]
    if not sender.addr_spec.isascii():
        raise ValueError("has characters outside ASCII in its address: not every server accepts it")
    return sender


def is_mailable(address: str) -> bool:
    """Whether mails can be sent to an address: a dot-atom, one @, and a domain (RFC 5321 section 4.1.2).

    Quoted local parts and address literals are rejected, and so is every character that has a meaning in a
    header field or in a command.
    """
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or len(address.encode(errors="replace")) > MOST_ADDRESS_CHARACTERS:
        return False
    if not address.isprintable() or set(address) & set(' "(),:;<>@[\\]\t') - {"@"} or address.count("@") != 1:
        return False
    labels = domain.split(".")
    return (
        all(labels)
        and not any(label[0] == "-" or label[-1] == "-" for label in labels)
        and all(local.split("."))
    )


def read_public_url(text: str) -> str:
    """Read the base of links, without a slash at its end. Raises ValueError, a predicate.

    Without https, codes would cross the network unencrypted: http is for this machine only.
    """
    form = "is not the URL of the gateway as browsers have it: https://app.example"
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError(form) from None
    is_plain = not set(text) & set(" <>\"'\\^`{|}") and text.isascii() and text.isprintable()
    if not is_plain or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(form)
    if parts.query or parts.fragment or "?" in text or "#" in text or "@" in parts.netloc:
        raise ValueError("has a query, a fragment or a user: " + form.removeprefix("is not "))
    if parts.path not in {"", "/"}:
        raise ValueError("has a path: the gateway serves its pages at the root of a host")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("is http: codes in links need https, except on this machine (localhost)")
    return text.rstrip("/")


def read_templates(path: Path) -> Path:
    """The folder of templates. Raises ValueError, a predicate."""
    if not path.is_dir():
        raise ValueError("names a folder that does not exist, or that this user may not read")
    return path


def mail_problems(mail_from: str | None, public_url: str | None) -> list[str]:
    """The problems of settings with an SMTP server."""
    needed = {"MAIL_FROM": mail_from, "PUBLIC_URL": public_url}
    problems = [
        f"POSTGATE_{name} is not set, and POSTGATE_SMTP_URL needs it"
        for name, value in needed.items()
        if value is None
    ]
    if not has_mail():
        problems.append("POSTGATE_SMTP_URL needs the extra mail: pip install '.[mail]' in Postgate's folder")
    return problems
