"""docker-compose.yml as its users start it: .env.example filled in, a project of its own, gone afterwards."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
SECONDS = 600  # the first build fetches images and wheels
HANDED_DOWN = ("DOCKER_", "BUILDX_", "HOME", "PATH", "SSH_", "XDG_")


class CommandFailed(Exception):
    """A command of the engine ended with an error; the text is what it said."""


class Containers:
    def __init__(self, project: str, env_file: Path, environ: Mapping[str, str]) -> None:
        self.project = project
        self.env_file = env_file
        self._compose = ["docker", "compose", "--project-name", project, "--env-file", str(env_file)]
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

    def inspect(self) -> dict[str, dict[str, Any]]:
        """All containers as the engine sees them, by the name of their service."""
        identifiers = self.compose("ps", "--all", "--quiet").split()
        found = json.loads(self.docker("inspect", *identifiers))
        return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in found}

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
