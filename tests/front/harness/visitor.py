"""curl as a visitor of what stands in front: over TLS, from an address of its own, by the site's name."""

from pathlib import Path

from system.harness.curl import Curl, CurlAnswer
from typing_extensions import override

from front.harness.fronts import Front
from front.harness.tls import CLIENT, HOST

JSON = ("-H", "Content-Type: application/json")


class Visitor(Curl):
    def __init__(self, front: Front, folder: Path) -> None:
        super().__init__(front.origin, folder)
        port = front.ports.https
        self._common = [
            *("--cacert", str(front.certificate.chain)),
            *("--resolve", f"{HOST}:{port}:127.0.0.1"),
            *("--interface", CLIENT),
        ]

    @override
    def _run(self, words: list[str]) -> CurlAnswer:
        return super()._run([*self._common, *words])

    def sign_in(self, name: str = "demo") -> CurlAnswer:
        answer = self("/rpc/login", *JSON, "-d", f'{{"user_":"{name}","pass":"{name}"}}')
        assert answer.status == 204, answer
        return answer
