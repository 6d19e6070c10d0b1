"""The header lines that an upstream's response brings to the client."""

from collections.abc import Sequence

from app.core.http.client_lines import client_lines
from app.core.http.response_headers import ResponseHeaders, with_session
from app.core.http.routing import Route
from app.core.requests import Admitted
from app.proxy.gateway import Gateway


def response_lines(
    gateway: Gateway,
    route: Route,
    admitted: Admitted,
    headers: ResponseHeaders,
    *,
    set_cookies: Sequence[bytes],
    request_id: bytes,
) -> Sequence[bytes]:
    """The upstream's lines that the client gets, with the cookies of a session that was renewed."""
    lines: Sequence[bytes] = headers.lines
    if headers.is_particular:
        names, host = gateway.admission.names(admitted.client), admitted.client.host
        lines, left_out = client_lines(headers, route, names, path=admitted.path, host=host)
        if left_out:
            gateway.note_dropped(request_id, route.name, left_out)
    return with_session(lines, set_cookies) if set_cookies else lines
