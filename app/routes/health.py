"""The second listener: is the process alive, can it serve, and what has it counted."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse

Probe = Callable[[], Awaitable[bool]]
PROBE_SECONDS = 2.0


class Readiness:
    """Whether the process can serve: not draining, and everything it needs really answers."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._probes = probes
        self.draining = False

    async def check(self) -> dict[str, bool]:
        answers = await asyncio.gather(*(_answers(probe) for probe in self._probes.values()))
        return {"serving": not self.draining, **dict(zip(self._probes, answers, strict=True))}


async def _answers(probe: Probe) -> bool:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await probe()
    except Exception:  # noqa: BLE001  whatever goes wrong in a probe, the answer is no
        return False


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
        return Response(exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    return app
