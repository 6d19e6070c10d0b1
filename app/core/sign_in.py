"""Where a browser is sent when somebody has to sign in first.

Only a navigation is: a script that is redirected gets the page's HTML for its data, and cannot tell why.
"""

from urllib.parse import quote

from app.core.requests import Request
from app.errors import SignInElsewhere


def send_to_sign_in(login_url: bytes, request: Request) -> None:
    """Raises SignInElsewhere if there is a login page and this is a browser's navigation."""
    if login_url and request.method == b"GET" and _navigates(request):
        mark = b"&" if b"?" in login_url else b"?"
        # A path of this origin and nothing else: whole URLs would make an open redirect of the page
        back = quote(request.target, safe="").encode()
        raise SignInElsewhere(headers=[(b"Location", b"%b%bnext=%b" % (login_url, mark, back))])


def _navigates(request: Request) -> bool:
    """As browsers say themselves (Fetch metadata), or, where they do not, by what they want to have."""
    accept = b""
    for name, value in request.headers:
        if name == b"sec-fetch-mode":
            return value == b"navigate"
        if name == b"accept":
            accept = value
    return b"text/html" in accept
