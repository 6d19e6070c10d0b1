"""The endpoints of the admin listener: liveness, readiness and metrics."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.errors import GatewayError, MethodNotAllowed, OriginDenied, RouteUnknown, render
from app.metrics import CONTENT_TYPE
from app.routes.readiness import Readiness


def create_admin_app(readiness: Readiness, exposition: Callable[[], bytes]) -> FastAPI:
    """The app of the admin listener. HEAD is like GET, and a trailing slash is ignored."""
    router = APIRouter()

    async def live() -> Response:
        return JSONResponse({"live": True})

    async def ready() -> Response:
        states = await readiness.check()
        return JSONResponse(states, status_code=200 if all(states.values()) else 503)

    async def metrics() -> Response:
        return Response(exposition(), media_type=CONTENT_TYPE)

    for endpoint in (live, ready, metrics):
        path = f"/{endpoint.__name__}"
        for spelling in (path, f"{path}/"):
            router.add_api_route(
                spelling, endpoint, methods=["GET", "HEAD"], dependencies=[Depends(reject_cross_site)]
            )
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.include_router(router)
    app.add_exception_handler(HTTPException, _respond_error)
    return app


async def reject_cross_site(request: Request) -> None:
    """Reject pages of other sites, by Fetch metadata: they must not read the metrics.

    DNS rebinding bypasses this: a page whose name resolves to this address has the same origin. But its
    browser sends none of the gateway's cookies, and without them these endpoints reveal no secret.
    """
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise HTTPException(403)


def _error_of(error: HTTPException) -> GatewayError:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed(allow=(error.headers or {}).get("Allow", "").encode())
    return OriginDenied() if error.status_code == HTTPStatus.FORBIDDEN else RouteUnknown()


async def _respond_error(_: Request, error: Exception) -> Response:
    """An error of the framework, rendered like all errors of the gateway."""
    assert isinstance(error, HTTPException)  # noqa: S101  the handler is registered for this class
    status, headers, body = render(_error_of(error), b"")
    response = Response(body, status)
    response.raw_headers += [header for header in headers if header[1]]
    return response
