"""The second listener: is the process alive, can it serve, and what has it counted."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse

from app.events import BecameReady, NotReady, Observer
from app.metrics import CONTENT_TYPE
from app.network import words
from app.probes import Probe

PROBE_SECONDS: Final = 2.0


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
    router = APIRouter()

    @router.get("/live")
    async def live() -> Response:
        return JSONResponse({"live": True})

    @router.get("/ready")
    async def ready() -> Response:
        answers = await readiness.check()
        return JSONResponse(answers, status_code=200 if all(answers.values()) else 503)

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(exposition(), media_type=CONTENT_TYPE)

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    return app
