"""The application behind bench.peers.relay: `python -m bench.peers.relay_app PORT UPSTREAM SECRET`."""

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

_HOP_BY_HOP = {"connection", "host", "keep-alive", "transfer-encoding", "authorization"}


def create_app(upstream_port: int, secret: str) -> FastAPI:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=512)
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{upstream_port}", limits=limits, timeout=600)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/rpc/login")
    async def login(request: Request) -> Response:
        return await relay("rpc/login", request, {})

    @app.api_route("/rest/{path:path}", methods=["GET", "POST", "PATCH", "PUT", "DELETE"])
    async def rest(path: str, request: Request) -> Response:
        token = request.cookies.get("access_token", "")
        try:
            jwt.decode(token, secret, algorithms=["HS256"], options={"require": ["exp"]})
        except jwt.InvalidTokenError:
            return Response(status_code=401)
        return await relay(path, request, {"authorization": f"Bearer {token}"})

    async def relay(path: str, request: Request, more: dict[str, str]) -> Response:
        headers = [(k, v) for k, v in request.headers.items() if k not in _HOP_BY_HOP]
        headers += more.items()
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        response = await client.send(
            client.build_request(
                request.method,
                httpx.URL(path=f"/{path}", query=request.url.query.encode("ascii")),
                headers=headers,
                content=request.stream() if has_body else None,
            ),
            stream=True,
        )
        kept = {k: v for k, v in response.headers.items() if k not in _HOP_BY_HOP}
        return StreamingResponse(
            response.aiter_raw(),
            status_code=response.status_code,
            headers=kept,
            background=BackgroundTask(response.aclose),
        )

    return app


def main() -> None:
    port, upstream_port, secret_file = sys.argv[1:]
    uvicorn.run(
        create_app(int(upstream_port), Path(secret_file).read_text(encoding="ascii")),
        host="127.0.0.1",
        port=int(port),
        access_log=False,
        log_level="warning",
        timeout_keep_alive=600,
        backlog=4096,
    )


if __name__ == "__main__":
    main()
