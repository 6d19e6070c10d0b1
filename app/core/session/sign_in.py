"""The redirect of a browser to the sign-in page.

Only navigations are redirected: a script would get the page's HTML instead of data, and not the error.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from app.core.http.headers import Header
from app.errors import SignInRedirect

_MOST_BYTES: Final = 1_000  # of the target to return to: proxies bound the size of a response head


def redirect_to_sign_in(login_url: bytes, method: bytes, target: bytes, headers: Sequence[Header]) -> None:
    """Raises SignInRedirect if there is a sign-in page and the request is a browser's navigation."""
    if not login_url or method != b"GET" or not _navigates(headers):
        return
    page, mark, _ = login_url.partition(b"?")
    if target.partition(b"?")[0] == page:
        return  # the page itself needs a session: it would redirect to itself
    # Only a path of this origin: with whole URLs the page could become an open redirect
    location = b"%b%bnext=%b" % (login_url, b"&" if mark else b"?", _way_back(target))
    raise SignInRedirect(headers=[(b"Location", location)])


def _way_back(target: bytes) -> bytes:
    for back in (target, target.partition(b"?")[0]):
        if len(back) <= _MOST_BYTES:
            return quote(back, safe="").encode()
    return b"%2F"


def _navigates(headers: Sequence[Header]) -> bool:
    """Whether the request is a navigation: by Sec-Fetch-Mode, or by Accept if that is missing."""
    accept = b""
    for name, value in headers:
        if name == b"sec-fetch-mode":
            return value == b"navigate"
        if name == b"accept":
            accept = value
    return b"text/html" in accept
