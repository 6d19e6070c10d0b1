"""docker-compose.yml as its users start it: .env.example filled in, a project of its own, gone afterwards."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt

REPOSITORY = Path(__file__).parents[2]
SECONDS = 600  # the first build fetches images and wheels
DEADLINE_SECONDS = 90  # for what takes a moment on a machine that does nothing else
HANDED_DOWN = ("DOCKER_", "BUILDX_", "HOME", "PATH", "SSH_", "XDG_")
KILL = "import os, sys; os.kill(int(sys.argv[1]), 9)"


class CommandFailed(Exception):
    """A command of the engine ended with an error; the text is what it said."""


class Containers:
    def __init__(self, project: str, env_file: Path, environ: Mapping[str, str], *profiles: str) -> None:
        self.project = project
        self.env_file = env_file
        chosen = [word for profile in profiles for word in ("--profile", profile)]
        self._compose = ["docker", "compose", "--project-name", project, "--env-file", str(env_file), *chosen]
        # A POSTGATE_PORT of the developer's shell would win over the file
        self.environ = {name: value for name, value in environ.items() if name.startswith(HANDED_DOWN)}

    def compose(self, *arguments: str, stdin: str = "") -> str:
        """What it wrote to stdout. Raises CommandFailed."""
        return self._run([*self._compose, *arguments], stdin)

    def docker(self, *arguments: str) -> str:
        return self._run(["docker", *arguments], "")

    def up(self) -> None:
        try:
            self.compose("up", "--build", "--wait")
        except CommandFailed as failed:
            raise CommandFailed(f"{failed}\n{self.compose('logs', '--no-color')}") from None

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "5")
        self.docker("image", "rm", "--force", self.project)

    def psql(self, sql: str) -> str:
        command = ("psql", "--username=postgres", "--dbname=app", "-qAt", "-v", "ON_ERROR_STOP=1")
        return self.compose("exec", "-T", "postgres", *command, stdin=sql).strip()

    def python(self, service: str, code: str) -> str:
        """What a script says inside a container that has Python."""
        return self.compose("exec", "-T", service, "python", "-c", code)

    def inspect(self) -> dict[str, dict[str, Any]]:
        """All containers as the engine sees them, by the name of their service."""
        identifiers = self.compose("ps", "--all", "--quiet").split()
        found = json.loads(self.docker("inspect", *identifiers))
        return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in found}

    def kill(self, service: str) -> None:
        """Kill a service's first process as the kernel would: after `docker kill` nothing is restarted."""
        state = self.inspect()[service]["State"]
        of_the_host = ("--rm", "--pid=host", "--network=none", "--user=0:0", "--entrypoint=python")
        self.docker("run", *of_the_host, self.project, "-c", KILL, str(state["Pid"]))
        wait_until(lambda: self.inspect()[service]["State"]["StartedAt"] != state["StartedAt"], "its restart")

    def _run(self, command: Sequence[str], stdin: str) -> str:
        ended = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=REPOSITORY,
            env=self.environ,
            timeout=SECONDS,
        )
        if ended.returncode:
            raise CommandFailed(f"{' '.join(command)}\n{ended.stdout}{ended.stderr}")
        return ended.stdout


@dataclass(frozen=True)
class Site:
    """What a client and an operator of the running containers know."""

    containers: Containers
    url: str
    key: bytes
    at_first: dict[str, dict[str, Any]]  # its containers, when they had just been started

    def bearer(self, **claims: object) -> dict[str, str]:
        token = jwt.encode({"role": "basic_subscriber", "exp": 4_000_000_000, **claims}, self.key)
        return {"Authorization": f"Bearer {token}"}

    @contextmanager
    def signed_in(self) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.url, timeout=DEADLINE_SECONDS) as browser:
            answer = browser.post("/rpc/login", json={"user_": "demo", "pass": "demo"})
            assert answer.status_code == 204, answer.text
            yield browser

    def cookies(self, *, ended: bool) -> str:
        """The Cookie of a session: both tokens, or the access token alone of a session that has ended."""
        with self.signed_in() as browser:
            access = browser.cookies["access_token"]
            if ended:
                assert browser.post("/rpc/logout").status_code == 204
                # The news takes some milliseconds
                head = {"Cookie": f"access_token={access}"}
                wait_until(lambda: browser.get("/rest/task", headers=head).status_code == 401, "the refusal")
                return head["Cookie"]
            return f"access_token={access}; refresh_token={browser.cookies['refresh_token']}"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def missing_engine(containers: Containers) -> str:
    """Why no containers can be started here, or nothing."""
    try:
        containers.docker("version")
        containers.compose("version")
    except FileNotFoundError:
        return "there is no docker here"
    except CommandFailed as failed:
        return f"there is no container engine that answers: {str(failed).splitlines()[-1]}"
    return ""
