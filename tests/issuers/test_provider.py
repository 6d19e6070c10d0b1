"""A real OpenID provider: its tokens are admitted while it rotates its keys, is killed, and comes back."""

import fcntl
import hashlib
import json
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from harness.relay.deadlines import wait_until
from harness.site.gateways import StartGateway, new_gateway, start_gateway
from harness.site.site import Site, running_site

from app.devstack import DevStack, ports

__all__ = ["new_gateway", "start_gateway"]

FOLDER = Path(__file__).with_name("js")
ALGORITHMS = ("ES256", "EdDSA", "RS256")

pytestmark = [
    pytest.mark.xdist_group("js"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm and node are not installed"),
]


class OidcProvider:
    """npm oidc-provider in a process of its own."""

    def __init__(self, packages: Path, work: Path) -> None:
        self.port = ports.free_port()
        self._command = [
            "node",
            *map(str, (FOLDER / "provider.mjs", packages, self.port, work / "keys.json")),
        ]
        self._log = work / "provider.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_until(self._responds, f"the provider; see {self._log}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def rotate(self) -> None:
        assert httpx.post(f"{self.issuer}/rotate").text == "rotated"

    def token(self, algorithm: str) -> str:
        form = {"grant_type": "client_credentials", "client_id": algorithm, "client_secret": "secret"}
        return str(httpx.post(f"{self.issuer}/token", data=form).json()["access_token"])

    def _responds(self) -> bool:
        try:
            return httpx.get(f"{self.issuer}/jwks").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def packages(programs_folder: Path, environ: Mapping[str, str]) -> Path:
    """A folder with the packages of the lock installed, once for all test runs."""
    lock = (FOLDER / "package-lock.json").read_bytes()
    folder = programs_folder.parent / "js" / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        if not (folder / "node_modules/.package-lock.json").exists():
            for file in FOLDER.glob("package*.json"):
                shutil.copy(file, folder)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(
                command, cwd=folder, env=dict(environ), check=True, capture_output=True, timeout=60
            )
    return folder


@pytest.fixture(scope="module")
def provider(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    provider = OidcProvider(packages, tmp_path_factory.mktemp("provider"))
    provider.start()
    yield provider
    provider.kill()


@pytest.fixture(scope="module")
def site(stack: DevStack, start_gateway: StartGateway, provider: OidcProvider) -> Iterator[Site]:
    issuers = json.dumps([{"issuer": provider.issuer, "audience": "api"}])
    with running_site(stack, start_gateway, issuers=issuers) as site:
        yield site


def status(client: httpx.Client, token: str) -> int:
    return client.get("/rest/task?limit=1", headers={"Authorization": f"Bearer {token}"}).status_code


@contextmanager
def load(site: Site, tokens: list[str]) -> Iterator[Counter[int]]:
    """Requests with these tokens all the time; counts the statuses of their responses."""
    statuses: Counter[int] = Counter()
    is_over = threading.Event()

    def send(token: str) -> None:
        with httpx.Client(base_url=site.url) as client:
            while not is_over.is_set():
                statuses[status(client, token)] += 1

    threads = [threading.Thread(target=send, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def test_known_tokens_are_never_refused_while_keys_rotate_and_the_provider_is_killed(
    site: Site, provider: OidcProvider
) -> None:
    known = [provider.token(algorithm) for algorithm in ALGORITHMS]
    with httpx.Client(base_url=site.url) as client:
        assert [status(client, token) for token in known] == [200, 200, 200]
        with load(site, known) as statuses:
            provider.rotate()
            later = [provider.token(algorithm) for algorithm in ALGORITHMS]
            assert [status(client, token) for token in later] == [200, 200, 200]

            provider.kill()
            seen = statuses.total()
            wait_until(lambda: statuses.total() > seen + 60, "requests while the provider is gone")
            assert [status(client, token) for token in later] == [200, 200, 200]

            provider.start()
            again = [provider.token(algorithm) for algorithm in ALGORITHMS]
            assert [status(client, token) for token in again] == [200, 200, 200]
        assert set(statuses) == {200}


def test_the_lock_names_no_place_to_fetch_from() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all("integrity" in package for name, package in packages.items() if name)
