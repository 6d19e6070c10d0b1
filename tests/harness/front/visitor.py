"""curl as a visitor of what stands in front: over TLS, from an address of its own, by the site's name."""

from pathlib import Path

from typing_extensions import override

from harness.front.fronts import Front
from harness.front.tls import CLIENT, HOST
from harness.site.curl import Curl, CurlAnswer

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

    def with_own_jar(self, target: str, *arguments: str) -> CurlAnswer:
        """Ask for a target with a jar that curl itself keeps, by its own rules."""
        jar = ("-b", "own.txt", "-c", "own.txt")
        return self._run(["--path-as-is", *jar, *arguments, self._url + target])

    def own_jar(self) -> set[str]:
        """The names of the cookies that curl keeps."""
        return {line.split("\t")[5] for line in self._own_lines()}

    def drop_from_own_jar(self, name: str) -> None:
        """Take a cookie away, as a browser does when it is too old."""
        kept = [line for line in self._own_lines() if line.split("\t")[5] != name]
        (self._folder / "own.txt").write_text("".join(f"{line}\n" for line in kept))

    def _own_lines(self) -> list[str]:
        lines = (self._folder / "own.txt").read_text().splitlines()
        return [line for line in lines if line.count("\t") == 6]
