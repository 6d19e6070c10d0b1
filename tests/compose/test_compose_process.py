"""The gateway as process 1 of its container: signals, orphans, no shell, its size and how fast it starts."""

import json
from datetime import datetime

import pytest

from compose.containers import REPOSITORY, Containers, Site, wait_until

pytestmark = [pytest.mark.compose, pytest.mark.xdist_group("compose")]

MOST_MEGABYTES = 100  # on top of python:3.13-slim, which has about 125
MOST_SECONDS = 30  # on a machine that does much else
ORPHAN = """
import os, time
if os.fork() == 0:
    if os.fork() == 0:
        time.sleep(0.2)
    os._exit(0)
os.wait()
time.sleep(1)
"""
PROCESSES = r"""
import glob, json, re
lines = [open(path).read() for path in glob.glob('/proc/[0-9]*/stat')]
print(json.dumps([re.match(r'(\d+) \((.*)\) (\S)', line).groups() for line in lines]))
"""
WRITE = "open('/opt/postgate/x', 'w')"
WHO = "import os; print(os.getuid(), os.getgid(), os.getgroups())"


def processes(containers: Containers) -> list[tuple[int, str, str]]:
    """Number, name and state of all processes in the gateway's container, but the one that asks."""
    found = [
        (int(number), name, state)
        for number, name, state in json.loads(containers.python("gateway", PROCESSES))
    ]
    return [process for process in found if process[1] != "python" or process[2] == "Z"]


def test_the_gateway_is_process_1_and_alone(site: Site) -> None:
    assert [(number, name) for number, name, _ in processes(site.containers)] == [(1, "postgate")]


def test_an_orphan_leaves_no_zombie(site: Site) -> None:
    site.containers.python("gateway", ORPHAN)
    wait_until(lambda: len(processes(site.containers)) == 1, "the end of an orphan")


def test_no_shell_stands_in_between_or_is_needed(site: Site) -> None:
    containers = site.containers
    config = containers.inspect()["gateway"]["Config"]
    assert (config["Entrypoint"], config["Cmd"]) == (["postgate"], ["serve"])
    assert config["Healthcheck"]["Test"][0] == "CMD"
    hidden = [f"--volume=/dev/null:{shell}:ro" for shell in ("/usr/bin/dash", "/usr/bin/bash")]
    arguments = ("run", "--rm", "--read-only", "--cap-drop=ALL", *hidden)
    assert containers.docker(*arguments, containers.project, "--version").startswith("postgate ")
    assert containers.docker(*arguments, containers.project, "secret", "new")


def test_it_runs_as_its_own_user_on_a_root_that_it_cannot_write(site: Site) -> None:
    assert site.containers.python("gateway", WHO).strip() in {"10001 10001 []", "10001 10001 [10001]"}
    write = f"try: {WRITE}\nexcept OSError as error: print(error.errno)"
    assert site.containers.python("gateway", write).strip() in {"13", "30"}


def test_the_image_adds_little_to_its_base(site: Site) -> None:
    base = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2].split()[0]
    sizes = [int(site.containers.docker("image", "inspect", "--format", "{{.Size}}", image))
             for image in (site.containers.project, base)]  # fmt: skip
    added = (sizes[0] - sizes[1]) / 1e6
    assert 0 < added < MOST_MEGABYTES


def test_it_is_ready_soon_after_its_start(site: Site) -> None:
    state = site.at_first["gateway"]["State"]
    first = next(check for check in state["Health"]["Log"] if check["ExitCode"] == 0)
    seconds = (moment(first["End"]) - moment(state["StartedAt"])).total_seconds()
    assert seconds < MOST_SECONDS


def moment(text: str) -> datetime:
    """A time as the engine writes it: nine digits of a second, and a zone in one of two forms."""
    whole, _, rest = text.partition(".")
    return datetime.fromisoformat(whole + "+00:00") if rest.endswith("Z") else datetime.fromisoformat(text)
