"""The response with an auth function's reply: cookies hardened, not cacheable."""

from collections.abc import Sequence

from fastapi import Response

from app.auth.replies import Reply
from app.core.admission import Admission
from app.core.http.protection import PROTECTS
from app.core.requests import Admitted
from app.core.session.cookie_rules import CookieContext
from app.core.session.cookies import UNKNOWN_CONTEXT, finish, replaced, signs_out
from app.errors import Headers
from app.routes.renewing import Fresh, merged


def written_cookies(reply: Reply) -> list[bytes]:
    """The Set-Cookie values of the function."""
    return [value for name, value in reply.headers if name.lower() == b"set-cookie"]


def set_lines(
    set_cookies: Sequence[bytes],
    admission: Admission,
    admitted: Admitted,
    context: CookieContext = UNKNOWN_CONTEXT,
) -> Headers:
    """Header lines that set cookies, hardened. Raises CookieUnusable."""
    names, secure = admission.names(admitted.client), admission.secure(admitted.client)
    finished = finish(set_cookies, names, secure=secure, context=context)
    return [(b"Set-Cookie", value) for value in finished]


def harden_headers(
    reply: Reply, fresh: Fresh, admission: Admission, admitted: Admitted, context: CookieContext
) -> Headers:
    """The reply's headers with hardened cookies, and `no-store` unless SQL set it. Raises CookieUnusable.

    A sign-out also clears the browser's cache: the back button would show a stored page of the session
    without a request (https://www.w3.org/TR/clear-site-data/).
    """
    kept = [(name, value) for name, value in reply.headers if name.lower() != b"set-cookie"]
    written = written_cookies(reply)
    names, secure = admission.names(admitted.client), admission.secure(admitted.client)
    earlier = replaced(written, names, admitted.path, secure=secure)
    kept += [(b"Set-Cookie", value) for value in earlier]
    kept += set_lines(merged(fresh.set_cookies, written), admission, admitted, context)
    present = {name.lower() for name, _ in kept}
    if b"cache-control" not in present:
        kept.append((b"Cache-Control", b"no-store"))
    if b"clear-site-data" not in present and signs_out(written, names):
        kept.append((b"Clear-Site-Data", b'"cache"'))
    is_https = admitted.client.scheme == "https"
    bits = 0
    for name in present:
        bits |= PROTECTS.get(name, 0)
    return kept + admission.protection.headers(bits, is_https=is_https)


def respond(
    reply: Reply, hardened: Headers, admission: Admission, admitted: Admitted, request_id: bytes
) -> Response:
    """The response with hardened headers, request id, CORS headers and length."""
    headers = [*hardened, (b"X-Request-Id", request_id)]
    if admitted.origin is not None:
        headers.extend(admission.origins.response_headers(admitted.origin))
    if reply.body or reply.status not in {204, 304}:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    response = Response(reply.body, reply.status)
    response.raw_headers = headers
    return response
