"""The facts of a request from which its credential is verified and its head for the upstream is made."""

from typing import NamedTuple

from app.core.http.forwarding import Client
from app.core.http.headers import RequestHeaders
from app.core.requests import Request
from app.core.session.cookies import SessionCookies


class Facts(NamedTuple):
    """One request for a route, parsed and checked once."""

    request: Request
    read: RequestHeaders
    client: Client
    path: bytes
    query: bytes  # with its question mark
    chunked: bool  # a body of unknown length follows
    cookies: SessionCookies  # with the new access token after a renewal
    now: float  # seconds since the epoch
