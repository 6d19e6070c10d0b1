"""The second listener: is the process alive, can it serve, and what has it counted."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.errors import GatewayError, MethodNotAllowed, OriginDenied, RouteUnknown, render
from app.events import BecameReady, NotReady, Observer
from app.metrics import CONTENT_TYPE
from app.network import words

PROBE_SECONDS: Final = 2.0

# A sentence that says what is wrong with a neighbour of the gateway, or nothing
Probe = Callable[[], Awaitable[str]]


class Readiness:
    """Whether the process can serve: it has begun, does not drain, and all it needs really answers."""

    def __init__(self, probes: Mapping[str, Probe], observe: Observer) -> None:
        self.begun = self.draining = False
        self._probes = probes
        self._observe = observe
        self._told: dict[str, str] | None = None

    async def check(self) -> dict[str, bool]:
        found = await asyncio.gather(*(_ask(probe) for probe in self._probes.values()))
        answers = dict(zip(self._probes, found, strict=True))
        serving = self.begun and not self.draining
        if serving:
            self._tell({name: wrong for name, wrong in answers.items() if wrong})
        return {"serving": serving, **{name: not wrong for name, wrong in answers.items()}}

    def _tell(self, wrong: dict[str, str]) -> None:
        if wrong != self._told:
            self._observe(NotReady(**wrong) if wrong else BecameReady())
            self._told = wrong


async def _ask(probe: Probe) -> str:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await probe()
    except TimeoutError:
        return f"It does not answer within {PROBE_SECONDS:g} s."
    except Exception as error:  # noqa: BLE001  whatever goes wrong in a probe, the answer is no
        return f"It cannot be reached: {words(error)}."


def create_admin_app(readiness: Readiness, exposition: Callable[[], bytes]) -> FastAPI:
    """The second listener. HEAD is GET without a body, a last slash means nothing, nothing redirects."""
    router = APIRouter()

    async def live() -> Response:
        return JSONResponse({"live": True})

    async def ready() -> Response:
        answers = await readiness.check()
        return JSONResponse(answers, status_code=200 if all(answers.values()) else 503)

    async def metrics() -> Response:
        return Response(exposition(), media_type=CONTENT_TYPE)

    for endpoint in (live, ready, metrics):
        path = f"/{endpoint.__name__}"
        for spelling in (path, f"{path}/"):
            router.add_api_route(spelling, endpoint, methods=["GET", "HEAD"], dependencies=[Depends(no_page)])
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.include_router(router)
    app.add_exception_handler(HTTPException, _refuse)
    return app


async def no_page(request: Request) -> None:
    """Refuse pages of other sites, as their browsers say (Fetch metadata): no numbers for them.

    A browser says nothing to a name that another site has bound to this address (DNS rebinding), but then it
    brings no cookies either, and there is nothing here that is secret without them.
    """
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise HTTPException(403)


def _refusal(error: HTTPException) -> GatewayError:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed(allow=(error.headers or {}).get("Allow", "").encode())
    return OriginDenied() if error.status_code == HTTPStatus.FORBIDDEN else RouteUnknown()


async def _refuse(_: Request, error: Exception) -> Response:
    """What the framework refuses, in the form of all errors of the gateway."""
    assert isinstance(error, HTTPException)  # noqa: S101  it is registered for these
    status, headers, body = render(_refusal(error), b"")
    response = Response(body, status)
    response.raw_headers += [header for header in headers if header[1]]
    return response
