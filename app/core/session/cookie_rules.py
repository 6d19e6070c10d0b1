"""Why a browser would reject a cookie (RFC 6265bis section 5.7, and Chromium's behaviour).

A function that signs a user in with such a cookie does not notice the failure. An error is easier to diagnose
than a success after which the user is still signed out.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final, NamedTuple

from app.core.http.headers import Header

_MAX_BYTES: Final = 4096  # of name and value
_MAX_ATTRIBUTE_BYTES: Final = 1024  # a longer attribute is ignored
_BLANK: Final = b" \t"
has_control: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search
# Name prefix, in any case -> it requires Path=/ and no Domain, it requires HttpOnly. All require Secure
_PREFIXES: Final = (
    (b"__host-http-", True, True),
    (b"__host-", True, False),
    (b"__http-", False, True),
    (b"__secure-", False, False),
)


class CookieContext(NamedTuple):
    """The request in whose response a browser gets a cookie."""

    host: bytes = b""  # of the request; empty: unknown
    is_cross_site: bool = False  # a page of another site sent the request, and it is not a navigation


def cookie_context(headers: Iterable[Header], host: bytes) -> CookieContext:
    """The context of a request, according to its Fetch metadata. Header names are lower case."""
    fetch = {name: value for name, value in headers if name.startswith(b"sec-fetch-")}
    is_page = fetch.get(b"sec-fetch-mode") == b"navigate" and fetch.get(b"sec-fetch-dest") == b"document"
    return CookieContext(host, is_cross_site=fetch.get(b"sec-fetch-site") == b"cross-site" and not is_page)


def why_dropped(set_cookie: bytes, context: CookieContext, *, deletes: bool = False) -> str:
    """Why a browser would drop a Set-Cookie value; empty: it does not. `deletes`: it removes a cookie."""
    if has_control(set_cookie):
        return "it has a control character"
    pair, _, rest = set_cookie.partition(b";")
    name, equals, value = pair.partition(b"=")
    name, value = (name.strip(_BLANK), value.strip(_BLANK)) if equals else (b"", pair.strip(_BLANK))
    attributes = _attributes(rest)
    if not name and not value:
        return "it has neither name nor value"
    if len(name) + len(value) > _MAX_BYTES:
        return "its name and value are longer than 4096 bytes"
    if b"secure" not in attributes:
        if attributes.get(b"samesite", b"").lower() == b"none":
            return "SameSite=None needs Secure, and the client uses http or Secure is missing"
        if b"partitioned" in attributes:
            return "Partitioned needs Secure"
    return (
        _broken_prefix((name or value).lower(), attributes)
        or _wrong_domain(attributes.get(b"domain", b""), context.host)
        or ("" if deletes else _blocked_cross_site(attributes, context))
    )


def _attributes(text: bytes) -> dict[bytes, bytes]:
    """The attributes by lower-case name; the last of duplicates."""
    attributes: dict[bytes, bytes] = {}
    for part in text.split(b";"):
        name, _, value = part.partition(b"=")
        value = value.strip(_BLANK)
        if len(value) <= _MAX_ATTRIBUTE_BYTES:
            attributes[name.strip(_BLANK).lower()] = value
    return attributes


def _broken_prefix(lowered: bytes, attributes: dict[bytes, bytes]) -> str:
    for prefix, is_host, is_http in _PREFIXES:
        if not lowered.startswith(prefix):
            continue
        if b"secure" not in attributes:
            return "its prefix needs Secure, and the client uses http or Secure is missing"
        if is_http and b"httponly" not in attributes:
            return "its prefix needs HttpOnly"
        if is_host and (attributes.get(b"path") != b"/" or attributes.get(b"domain")):
            return "its prefix needs Path=/ and no Domain"
        return ""
    return ""


def _wrong_domain(domain: bytes, authority: bytes) -> str:
    """RFC 6265bis section 5.1.3. The only public suffixes that it knows are names without a dot."""
    domain = domain.removeprefix(b".").lower()
    host = _host_name(authority)
    if not domain or not host or domain == host:
        return ""
    if b"." in domain and host.endswith(b"." + domain) and not _is_address(host):
        return ""
    return "its Domain is not that of the request"


def _host_name(authority: bytes) -> bytes:
    if authority.startswith(b"["):
        return authority.partition(b"]")[0] + b"]"
    return authority.partition(b":")[0].lower().removesuffix(b".")


def _is_address(host: bytes) -> bool:
    try:
        ip_address(host.decode("latin-1"))
    except ValueError:
        return False
    return True


def _blocked_cross_site(attributes: dict[bytes, bytes], context: CookieContext) -> str:
    if context.is_cross_site and attributes.get(b"samesite", b"").lower() != b"none":
        return "the request is from a page of another site, which needs SameSite=None; Secure"
    return ""
