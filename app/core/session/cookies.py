r"""The session's two cookies in Cookie and Set-Cookie (RFC 6265).

Names are compared as exact bytes, and values are never unquoted. Parsers of frameworks trim other blanks (so
that `\xa0access_token` becomes an alias), use the last of two cookies, and decode octal escapes.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from app.core.http.octets import holds
from app.core.session.cookie_names import CookieNames
from app.core.session.cookie_rules import CookieContext, has_control, why_dropped
from app.errors import CookieUnusable, HeadTooLarge

_OWS = b" \t"
_MOST_COOKIES: Final = 500  # browsers keep fewer than 200 for one site
_MAX_AGE = re.compile(rb"(?:^|;)\s*max-age\s*=\s*(-|0*[1-9])?", re.IGNORECASE)
_EMPTY_PIECES = re.compile(rb";[; \t]*;").sub
_ROOT_PATH = re.compile(rb";\s*path\s*=\s*/\s*(?:;|\Z)", re.IGNORECASE).search
_PAST_DATE = re.compile(rb"(?:^|;)\s*expires\s*=[^;]*\b1970\b", re.IGNORECASE)


class SessionCookies(NamedTuple):
    """A request's cookies: the session's two, and the rest for the upstream."""

    access: bytes | None
    refresh: bytes | None
    others: bytes  # the remaining pairs as sent, joined; empty when there are none
    ambiguous: bool = False  # two different cookies of one name: neither may choose the session


NO_COOKIES = SessionCookies(None, None, b"")
UNKNOWN_CONTEXT = CookieContext()


def read_session(header: bytes, names: CookieNames) -> SessionCookies:
    """Separate the session's cookies from the others in a Cookie header.

    Several lines are joined with `; ` before (RFC 9113 section 8.2.3). Two different cookies with one name
    are ambiguous: a sibling domain may have set one (cookie tossing). Raises HeadTooLarge for too many
    cookies.
    """
    if not holds(header, b";") and header.startswith(names.sent_access + b"="):  # what an API client sends
        return SessionCookies(header[len(names.sent_access) + 1 :].strip(_OWS), None, b"")
    access: bytes | None = None
    refresh: bytes | None = None
    others: list[bytes] = []
    ambiguous = False
    for piece in _split(header):
        pair = piece.strip(_OWS)
        name, equals, value = pair.partition(b"=")
        name = name.rstrip(_OWS)
        if equals and name == names.sent_access:
            value = value.lstrip(_OWS)
            if access is not None and access != value:
                ambiguous = True
            access = value
        elif equals and name == names.sent_refresh:
            value = value.lstrip(_OWS)
            if refresh is not None and refresh != value:
                ambiguous = True
            refresh = value
        elif pair and name not in names.tossed:
            others.append(pair)
    return SessionCookies(access, refresh, b"; ".join(others), ambiguous)


def _split(header: bytes) -> list[bytes]:
    """The pieces between semicolons; empty ones are removed if there are very many. Raises HeadTooLarge."""
    if header.count(b";") >= _MOST_COOKIES:
        header = _EMPTY_PIECES(b";", header)
        if header.count(b";") >= _MOST_COOKIES:
            raise HeadTooLarge(reason="too many cookies")
    return header.split(b";")


def plain_cookies(header: bytes, names: CookieNames) -> bytes:
    """A Cookie header for SQL: the session's cookies as parsed here, under the names without a prefix.

    They come last, because SQL reads the last cookie of a name: no other cookie can replace them.
    """
    read = read_session(header, names)
    pairs = [read.others] if read.others else []
    if not read.ambiguous:
        session = ((names.access, read.access), (names.refresh, read.refresh))
        pairs += [b"%b=%b" % (name, value) for name, value in session if value is not None]
    return b"; ".join(pairs)


def harden(set_cookie: bytes, *, secure: bool) -> bytes:
    """A Set-Cookie value with HttpOnly, SameSite=Lax and (if `secure`) Secure, where these are missing.

    Raises CookieUnusable for a control character.
    """
    if has_control(set_cookie):
        raise CookieUnusable(reason="control character")
    pair, *attributes = set_cookie.split(b";")
    kept = [attribute.strip() for attribute in attributes if attribute.strip()]
    present = {attribute.partition(b"=")[0].rstrip().lower() for attribute in kept}
    if b"httponly" not in present:
        kept.append(b"HttpOnly")
    if b"samesite" not in present:
        kept.append(b"SameSite=Lax")
    if secure and b"secure" not in present:
        kept.append(b"Secure")
    return b"; ".join([pair.strip(), *kept])


def name_of(set_cookie: bytes) -> bytes:
    """The cookie's name in a Set-Cookie value."""
    return set_cookie.partition(b";")[0].partition(b"=")[0].strip(_OWS)


def value_of(set_cookie: bytes) -> bytes:
    """The cookie's value in a Set-Cookie value."""
    return set_cookie.partition(b";")[0].partition(b"=")[2].strip(_OWS)


def deletes(set_cookie: bytes) -> bool:
    """Whether a Set-Cookie value removes the cookie: no value, Max-Age not positive, or Expires in 1970."""
    pair, _, attributes = set_cookie.partition(b";")
    if pair.partition(b"=")[2].strip(_OWS) == b"":
        return True
    age = _MAX_AGE.search(attributes)
    if age is not None:  # Max-Age has precedence over Expires (RFC 6265 section 5.3)
        return age[1] in {None, b"-"}
    return _PAST_DATE.search(attributes) is not None


def clear_session(names: CookieNames, *, secure: bool) -> list[bytes]:
    """Set-Cookie values that remove both cookies on every path on which they may have been set.

    With and without the prefix, if the client may have either. The removal of the access cookie for `/` comes
    last: of several removals in one response, curl 7.88 applies the last.
    """
    plain = [
        clear(name, path, secure=secure) for name in (names.refresh, names.access) for path in names.paths
    ]
    prefixed = [clear(name, b"/", secure=True) for name in names.prefixed]
    return plain + prefixed if names.is_prefixed else prefixed + plain


def clear(name: bytes, path: bytes, *, secure: bool) -> bytes:
    """A Set-Cookie value that removes a cookie on one path."""
    return harden(b"%b=; Path=%b; Max-Age=0" % (name, path), secure=secure)


def replaced(written: Iterable[bytes], names: CookieNames, path: bytes, *, secure: bool) -> list[bytes]:
    """Set-Cookie values that remove the refresh cookie on this path, if the function sets a new one for `/`.

    A recipe sets it with Path=/rpc/refresh_token. There a browser would send both cookies: two sessions.
    """
    if names.refresh in names.renamed or path not in names.paths[:-1]:
        return []
    is_replaced = any(
        name_of(value) == names.refresh and not deletes(value) and _ROOT_PATH(value) for value in written
    )
    return [clear(names.refresh, path, secure=secure)] if is_replaced else []


def under_prefix(set_cookie: bytes, names: CookieNames) -> bytes:
    """A Set-Cookie value of the session under the client's prefix; others, or without a prefix, unchanged.

    A browser drops a `__Host-` cookie without Secure, with Domain, or with another Path than `/`.
    """
    sent = names.renamed.get(name_of(set_cookie))
    if sent is None:
        return set_cookie
    kept = [
        attribute
        for attribute in set_cookie.split(b";")[1:]
        if attribute.partition(b"=")[0].strip().lower() not in {b"path", b"domain", b"secure"}
    ]
    bound = b";".join([b"%b=%b" % (sent, value_of(set_cookie)), b"Path=/", *kept])
    return harden(bound, secure=True)


def signs_out(set_cookies: Iterable[bytes], names: CookieNames) -> bool:
    """Whether Set-Cookie values sign out: they delete the access cookie, and set no other one.

    A sign-in may also delete old cookies on other paths.
    """
    found = [deletes(value) for value in set_cookies if name_of(value) in names.accesses]
    return bool(found) and all(found)


def finish(
    set_cookies: Iterable[bytes],
    names: CookieNames,
    *,
    secure: bool,
    context: CookieContext = UNKNOWN_CONTEXT,
) -> list[bytes]:
    """The Set-Cookie values of an auth function's reply, in order; the session's two are hardened.

    Other cookies stay unchanged. Raises CookieUnusable for one that the browser would drop in this context. A
    reply that signs out deletes both cookies on every path: clearing `Path=/` leaves a cookie with
    `Path=/rpc/refresh_token`.
    """
    hardened = [
        harden(under_prefix(value, names), secure=secure) if name_of(value) in names.both else value
        for value in set_cookies
    ]
    for value in hardened:
        if why := why_dropped(value, context, deletes=deletes(value)):
            raise CookieUnusable(reason=f"{name_of(value).decode('latin-1')}: {why}")
    if signs_out(hardened, names):
        foreign = [value for value in hardened if name_of(value) not in names.both]
        return foreign + clear_session(names, secure=secure)
    return hardened
