"""An issuer on loopback: it publishes keys, signs tokens, and can be stopped and rotated."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from core.builders import key_pair
from typing_extensions import override

from app.core.tokens.jwk import Key, read_key
from app.core.tokens.mint import mint

KINDS = {"ES256": "P-256", "EdDSA": "Ed25519", "RS256": "RSA"}


def new_key(algorithm: str, key_id: str) -> Key:
    return read_key({**key_pair(KINDS[algorithm]), "alg": algorithm, "kid": key_id})


class Provider:
    """Serves discovery and a JWK set while it runs; the port stays its own."""

    def __init__(self) -> None:
        self.keys = [new_key("ES256", "first")]
        self.extra: list[Any] = []  # further entries of the set
        self.fetches = 0
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, key: Key | None = None, **claims: Any) -> str:
        base = {"iss": self.issuer, "aud": "api", "sub": "u-1", "exp": int(time.time()) + 600}
        wanted = {name: value for name, value in {**base, **claims}.items() if value is not None}
        return mint(wanted, key or self.keys[0]).decode()

    def start(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(provider.document(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def document(self, path: str) -> dict[str, Any]:
        if path.endswith("/openid-configuration"):
            return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks"}
        self.fetches += 1
        return {"keys": [*self.extra, *(key.public_jwk() for key in self.keys)]}


@contextmanager
def running_provider() -> Iterator[Provider]:
    provider = Provider()
    provider.start()
    try:
        yield provider
    finally:
        provider.stop()
