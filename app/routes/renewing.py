"""Renew an expired session before an account function is called: the function needs a valid access token.

Attempts are counted for the session and the account in the token. A refresh cookie alone identifies neither,
and rotating it gives another one: after each rotation, a thief of a refresh cookie would have new attempts.
So the session is renewed first, as for relayed requests, and the response sets the new cookies.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

from app.core.admission import Admission
from app.core.http.forwarding import Peer
from app.core.http.headers import Header
from app.core.requests import Admitted, Renew, Renewed, Request
from app.core.session.cookie_names import CookieNames
from app.core.session.cookies import deletes, name_of, read_session, value_of
from app.errors import CredentialMissing
from app.events import Observer, SessionRenewed

_NO_PEER = Peer("", "http", trusted=False, lines=b"")  # not used: the client is already known


@dataclass(frozen=True, slots=True)
class Fresh:
    """The headers of a call after a renewal, and the cookies that the response must set for it."""

    headers: Sequence[Header]
    set_cookies: tuple[bytes, ...] = ()
    tokens: tuple[bytes, ...] = ()  # the caller's refresh tokens: as sent, and as renewed


def cookie_header(headers: Sequence[Header]) -> bytes:
    """The Cookie lines of a request as one (RFC 9113 section 8.2.3)."""
    return b"; ".join(value for name, value in headers if name == b"cookie")


def refresh_of(headers: Sequence[Header], names: CookieNames) -> bytes:
    """The refresh token of a request; empty without one, or with two different ones."""
    read = read_session(cookie_header(headers), names)
    return b"" if read.ambiguous else read.refresh or b""


async def renew_first(  # noqa: PLR0917
    headers: Sequence[Header],
    admitted: Admitted,
    admission: Admission,
    renew: Renew,
    observe: Observer,
    request_id: bytes,
    clock: Callable[[], float] = perf_counter,
) -> Fresh:
    """The headers with a renewed session, if the request has a refresh cookie.

    Raises CredentialMissing if renewal is disabled, RateLimited, and the errors of `AuthFunctions.call`.
    """
    names = admission.names(admitted.client)
    token = refresh_of(headers, names)
    if not token:
        return Fresh(headers)
    if not admission.renews:
        raise CredentialMissing(reason="a refresh cookie alone")
    began = clock()
    head = Request(b"POST", admitted.path, "1.1", headers, 0, False, _NO_PEER, request_id)  # noqa: FBT003
    renewed = await renew(head, admitted._replace(refresh=token))
    observe(SessionRenewed(request_id, renewed is not None, clock() - began, admitted.trace))
    if renewed is None:
        return Fresh(headers, tokens=(token,))
    return _with(renewed, headers, token, names)


def _with(renewed: Renewed, headers: Sequence[Header], token: bytes, names: CookieNames) -> Fresh:
    """The headers, with the renewed session's cookies instead of the old ones."""
    sent = [
        value_of(value)
        for value in renewed.set_cookies
        if name_of(value) == names.refresh and not deletes(value)
    ]
    refresh = sent[-1] if sent else token
    kept = read_session(cookie_header(headers), names).others
    pairs = (
        *([kept] if kept else []),
        b"%b=%b" % (names.sent_access, renewed.access),
        b"%b=%b" % (names.sent_refresh, refresh),
    )
    others = [header for header in headers if header[0] != b"cookie"]
    tokens = tuple(dict.fromkeys((token, refresh)))
    return Fresh([*others, (b"cookie", b"; ".join(pairs))], renewed.set_cookies, tokens)


def merged(earlier: Iterable[bytes], later: Sequence[bytes]) -> list[bytes]:
    """Set-Cookie values of one response: a later value replaces an earlier one of the same name."""
    names = {name_of(value) for value in later}
    return [*(value for value in earlier if name_of(value) not in names), *later]
