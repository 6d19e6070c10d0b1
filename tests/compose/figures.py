"""Print the figures of docs/containers.md again: what the image adds to its base, and how soon it serves.

For containers that run: docker compose up --build --wait; python3 tests/compose/figures.py
"""

import json
import statistics
import subprocess
import sys
import time
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
STARTS = 5
DEADLINE_SECONDS = 60
PAUSE_SECONDS = 0.005


def docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def megabytes(image: str) -> float:
    return int(docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e6


def serves(host: str, port: int) -> bool:
    """Whether the gateway relays, and PostgREST answers from the database."""
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/rest/")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def seconds_to_serve(container: str, host: str, port: int) -> float:
    """From the start of process 1, by the engine's clock, which has to be this machine's."""
    docker("stop", container)
    docker("start", container)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not serves(host, port):
        if time.monotonic() > deadline:
            sys.exit(f"Nothing was served in {DEADLINE_SECONDS} seconds.")
        time.sleep(PAUSE_SECONDS)
    now = time.time()
    started = docker("inspect", "--format", "{{.State.StartedAt}}", container)
    return now - datetime.fromisoformat(started).timestamp()


def main() -> None:
    container = docker("compose", "ps", "--quiet", "gateway")
    [gateway] = json.loads(docker("inspect", container))
    [published] = gateway["NetworkSettings"]["Ports"]["8000/tcp"]
    base = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2].split()[0]
    whole, below = megabytes(gateway["Image"]), megabytes(base)
    sys.stdout.write(f"image: {whole - below:.1f} MB on top of {base}, {whole:.0f} MB with it\n")
    at = published["HostIp"], int(published["HostPort"])
    starts = sorted(seconds_to_serve(container, *at) for _ in range(STARTS))
    each = ", ".join(f"{seconds:.2f}" for seconds in starts)
    sys.stdout.write(f"from its start until it serves: {statistics.median(starts):.2f} s (of {each})\n")


if __name__ == "__main__":
    main()
