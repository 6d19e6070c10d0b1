"""The responses of the app lane to a GatewayError: as in the proxy lane, by `errors.render`."""

from collections.abc import Callable

from fastapi import FastAPI, Request, Response

from app.core.admission import Admission
from app.core.requests import Admitted
from app.errors import GatewayError, render
from app.events import Observer, RequestRejected


def render_errors(app: FastAPI, rules: Callable[[], Admission], emit: Observer) -> None:
    @app.exception_handler(GatewayError)
    async def respond(request: Request, error: GatewayError) -> Response:
        request_id = getattr(request.state, "request_id", b"")
        status, headers, body = render(error, request_id)
        admitted: Admitted | None = getattr(request.state, "admitted", None)
        emit(_rejected(request, admitted, error))
        if admitted is not None and admitted.origin is not None:
            headers += rules().origins.response_headers(admitted.origin)
        if admitted is not None:
            headers += rules().protection.transport(is_https=admitted.client.scheme == "https")
        response = Response(body, status)
        response.raw_headers = [*headers, (b"content-length", b"%d" % len(body))]
        return response


def _rejected(request: Request, admitted: Admitted | None, error: GatewayError) -> RequestRejected:
    event = RequestRejected(
        getattr(request.state, "request_id", b""),
        request.method.encode(),
        error.status,
        error.code,
        error.reason,
        function=getattr(request.state, "function", ""),
    )
    if admitted is None:
        return event
    return event._replace(
        client=admitted.client.address, path=admitted.path, trace=admitted.trace, parent=admitted.parent
    )
