"""The real curl, as people use it, and a jar beside it that keeps cookies by name and path as browsers do.

curl sends the jar's cookies by its own rules of path and age. It does not write it: curl 7.88 brings back all
but the last of the cookies that one answer deletes.
"""

import json
import re
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SECONDS = "10"
FOUR_KEYS = {"code", "message", "details", "hint"}
_PATH = re.compile(r"; *path=([^;]*)", re.IGNORECASE)
_AGE = re.compile(r"; *max-age=(\d+)", re.IGNORECASE)
_EXPIRED = re.compile(r"; *expires=[^;]*1970", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CurlAnswer:
    status: int
    fields: tuple[tuple[str, str], ...]  # names in lower case
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for other, value in self.fields if other == name]

    def value(self, name: str) -> str:
        values = self.values(name)
        assert len(values) == 1, f"{name} stands {len(values)} times in {self.fields}"
        return values[0]

    @property
    def set_cookies(self) -> list[str]:
        return self.values("set-cookie")

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code of a refusal, which has PostgREST's four keys and sets no cookie."""
        body = json.loads(self.body)
        assert set(body) == FOUR_KEYS
        assert self.value("content-type") == "application/json; charset=utf-8"
        assert self.value("cache-control") == "no-store"
        assert not self.set_cookies
        assert self.status != 401 or self.value("www-authenticate").startswith("Bearer")
        return self.status, body["code"]


class Curl:
    """One visitor of one host."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._host = urlsplit(url).hostname
        self._folder = folder
        self._cookies: dict[tuple[str, str], tuple[str, int]] = {}  # (name, path): value, end of life
        folder.mkdir(exist_ok=True)

    def __call__(self, target: str, *arguments: str) -> CurlAnswer:
        """Ask for a target, with the cookies that belong there, and keep those that come."""
        self._write_jar()
        words = ["--path-as-is", "-b", "jar.txt", *arguments, self._url + target]
        answer = self._run(words)
        for cookie in answer.set_cookies:
            self.keep(cookie)
        return answer

    def line(self, line: str) -> CurlAnswer:
        """Run a line as it is printed for people, with `-i` added to see the head as well."""
        words = shlex.split(line)
        assert words[0] == "curl"
        return self._run(words[1:])

    def keep(self, cookie: str) -> None:
        """Keep a cookie, or forget the one that it deletes (RFC 6265 section 5.3)."""
        pair, _, attributes = cookie.partition(";")
        name, _, value = pair.partition("=")
        path, age = _PATH.search(f";{attributes}"), _AGE.search(f";{attributes}")
        place = name, path[1] if path else "/"
        if (age and age[1] == "0") or (not age and _EXPIRED.search(f";{attributes}")):
            self._cookies.pop(place, None)
        else:
            self._cookies[place] = value, int(time.time()) + int(age[1]) if age else 0

    @property
    def jar(self) -> dict[str, str]:
        """The cookies it holds, by name."""
        return {name: value for (name, _), (value, _) in self._cookies.items()}

    def _write_jar(self) -> None:
        lines = [
            f"{self._host}\tFALSE\t{path}\t{_is_secure(name)}\t{end}\t{name}\t{value}\n"
            for (name, path), (value, end) in self._cookies.items()
        ]
        (self._folder / "jar.txt").write_text("".join(lines))

    def _run(self, words: list[str]) -> CurlAnswer:
        command = ["curl", "-sS", "-i", "-m", SECONDS, *words]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
        return parse(done.stdout)


def _is_secure(name: str) -> str:
    """curl takes a prefixed cookie as a browser does, and counts loopback as secure."""
    return "TRUE" if name.startswith("__Host-") else "FALSE"


def parse(output: bytes) -> CurlAnswer:
    """The last answer of what `curl -i` wrote: interim ones come before it."""
    while True:
        head, _, output = output.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        status = int(start.split(" ")[1])
        if status >= 200:
            break
    pairs = (line.partition(":") for line in lines)
    return CurlAnswer(status, tuple((name.lower(), value.strip()) for name, _, value in pairs), output)


def printed_commands(text: str) -> list[str]:
    """The curl commands in a text for people: the lines that begin with it, continued ones joined."""
    joined = text.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip().startswith("curl ")]
