"""Where a browser is sent when somebody has to sign in first.

Only a navigation is: a script that is redirected gets the page's HTML for its data, and cannot tell why.
"""

from typing import Final
from urllib.parse import quote

from app.core.requests import Request
from app.errors import SignInElsewhere

_MOST_BYTES: Final = 1_000  # of the way back: proxies have little room for an answer's head


def send_to_sign_in(login_url: bytes, request: Request) -> None:
    """Raises SignInElsewhere if there is a login page and this is a browser's navigation."""
    if not login_url or request.method != b"GET" or not _navigates(request):
        return
    page, mark, _ = login_url.partition(b"?")
    if request.target.partition(b"?")[0] == page:
        return  # the page itself needs a session: there would be no end of it
    # A path of this origin and nothing else: whole URLs would make an open redirect of the page
    location = b"%b%bnext=%b" % (login_url, b"&" if mark else b"?", _way_back(request.target))
    raise SignInElsewhere(headers=[(b"Location", location)])


def _way_back(target: bytes) -> bytes:
    for back in (target, target.partition(b"?")[0]):
        if len(back) <= _MOST_BYTES:
            return quote(back, safe="").encode()
    return b"%2F"


def _navigates(request: Request) -> bool:
    """As browsers say themselves (Fetch metadata), or, where they do not, by what they want to have."""
    accept = b""
    for name, value in request.headers:
        if name == b"sec-fetch-mode":
            return value == b"navigate"
        if name == b"accept":
            accept = value
    return b"text/html" in accept
