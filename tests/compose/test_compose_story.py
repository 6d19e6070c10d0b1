"""The commands that README.md and docs/containers.md print, run as they stand against the containers."""

import re
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from harness.site.curl import CurlAnswer, parse, printed_commands

from compose.containers import REPOSITORY, Site, wait_until

pytestmark = [pytest.mark.compose, pytest.mark.xdist_group("compose")]

AT_ONCE_SECONDS = 2  # on a machine that does much else
HERE = "http://localhost:8000"
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
STORY = ["POST /rpc/login 204", "GET /rest/task 200", "GET /rest/task 401", "POST /rpc/refresh_token 204",
         "POST /rpc/logout 204"]  # fmt: skip


@dataclass
class Shell:
    """Someone who copies commands from the README into one folder."""

    site: Site
    folder: Path

    def curl(self, line: str) -> CurlAnswer:
        words = shlex.split(line.replace(HERE, self.site.url))
        done = subprocess.run(
            ["curl", "-sS", "-i", *words[1:]], cwd=self.folder, capture_output=True, check=True
        )
        return parse(done.stdout)

    @property
    def access_token(self) -> str:
        [token] = re.findall(
            r"\taccess_token\t(\S+)$", (self.folder / "cookies.txt").read_text(), re.MULTILINE
        )
        return str(token)


def test_the_story_of_the_readme(site: Site, tmp_path: Path) -> None:
    shell = Shell(site, tmp_path)
    commands = printed_commands(README)
    assert [what(line) for line in commands] == [step.rpartition(" ")[0] for step in STORY]
    tokens = []
    for line, step in zip(commands, STORY, strict=True):
        answer = shell.curl(line)
        assert f"{what(line)} {answer.status}" == step
        if step == "GET /rest/task 200":
            assert b'"owner":"demo"' in answer.body
            assert b"alice" not in answer.body
        if answer.set_cookies and "logout" not in step:
            tokens.append(shell.access_token)
            assert status_with(site, tokens[-1]) == 200
    # Both would be good for ten minutes, had their session not ended; the news takes some milliseconds
    ended = time.monotonic()
    wait_until(lambda: [status_with(site, token) for token in tokens] == [401, 401], "the refusal")
    assert time.monotonic() - ended < AT_ONCE_SECONDS
    assert len(set(tokens)) == 2


def test_a_wrong_password_is_refused(site: Site) -> None:
    answer = httpx.post(f"{site.url}/rpc/login", json={"user_": "demo", "pass": "wrong"}, timeout=30)
    assert (answer.status_code, answer.json()["message"]) == (401, "Invalid user or password")


def what(line: str) -> str:
    words = shlex.split(line)
    [url] = [word for word in words if word.startswith(HERE)]
    return f"{'POST' if {'-d', 'POST'} & set(words) else 'GET'} {url.removeprefix(HERE)}"


def status_with(site: Site, token: str) -> int:
    return httpx.get(
        f"{site.url}/rest/task", headers={"Cookie": f"access_token={token}"}, timeout=30
    ).status_code
