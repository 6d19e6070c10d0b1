"""GET /.well-known/jwks.json: the public keys of the gateway's tokens, for everyone who verifies them."""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from fastapi import APIRouter, Request, Response

from app.core.admission import Admission
from app.core.http.routing import JWKS_PATH
from app.errors import PROTECTION
from app.settings import Settings

_MEDIA_TYPE: Final = "application/jwk-set+json"  # RFC 7517 section 8.5.2
# A new key signs at once after a reload; verifiers fetch the set when they meet an unknown `kid`
_CACHE_SECONDS: Final = 300
_NOT_MODIFIED: Final = 304


class PublishedKeys:
    """The JWK set, as it is published."""

    def __init__(self, settings: Settings) -> None:
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        self.document = settings.jwt_ring.public_set().encode()
        self.etag = f'"{sha256(self.document).hexdigest()[:32]}"'


def well_known_routes(keys: PublishedKeys, rules: Callable[[], Admission]) -> APIRouter:
    router = APIRouter()

    async def jwks(request: Request) -> Response:
        admitted = request.state.admitted
        is_known = keys.etag in request.headers.get("if-none-match", "")
        response = Response(
            b"" if is_known else keys.document,
            _NOT_MODIFIED if is_known else 200,
            {"Cache-Control": f"public, max-age={_CACHE_SECONDS}", "ETag": keys.etag},
            None if is_known else _MEDIA_TYPE,
        )
        is_https = admitted.client.scheme == "https"
        response.raw_headers += [
            *PROTECTION,
            *rules().protection.transport(is_https=is_https),
            (b"X-Request-Id", request.state.request_id),
        ]
        if admitted.origin is not None:
            response.raw_headers += rules().origins.response_headers(admitted.origin)
        return response

    router.add_api_route(JWKS_PATH.decode(), jwks, methods=["GET", "HEAD"], include_in_schema=False)
    return router
