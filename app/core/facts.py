"""What is known of a request when its credential is judged."""

from typing import NamedTuple

from app.core.http.forwarding import Client
from app.core.http.headers import RequestHeaders
from app.core.requests import Request
from app.core.session.cookies import SessionCookies


class Facts(NamedTuple):
    """One request for a route, read and checked; made once, and read by everything that judges it."""

    request: Request
    read: RequestHeaders
    client: Client
    path: bytes
    query: bytes  # with its question mark
    chunked: bool  # a body of unknown length follows
    cookies: SessionCookies  # after a renewal with the new access token
    now: float  # seconds since the epoch
