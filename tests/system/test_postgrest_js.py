"""PostgREST's own client for JavaScript, unchanged, pointed at `/rest`: it signs in, works, and signs out."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from harness.site.site import Site

FOLDER = Path(__file__).with_name("js")

pytestmark = [
    pytest.mark.xdist_group("js"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm and node are not installed"),
]


@pytest.fixture(scope="module")
def story(js_clients: Path, site: Site) -> Mapping[str, Any]:
    done = subprocess.run(
        ["node", FOLDER / "story.mjs", js_clients, site.url],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    steps: dict[str, Any] = json.loads(done.stdout)
    return steps


def outcome(story: Mapping[str, Any], step: str) -> tuple[int, Any]:
    assert story[step]["error"] is None
    return story[step]["status"], story[step]["data"]


def failure(story: Mapping[str, Any], step: str) -> tuple[int, str]:
    assert set(story[step]["error"]) == {"code", "message", "details", "hint"}
    return story[step]["status"], story[step]["error"]["code"]


def test_the_lock_names_no_place_to_fetch_from() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all("integrity" in package for name, package in packages.items() if name)


def test_it_signs_in_with_the_auth_schema_chosen(story: Mapping[str, Any]) -> None:
    assert failure(story, "read before") == (401, "GW200")
    assert failure(story, "wrong password") == (401, "PT401")
    assert story["wrong password"]["cookies"] == []
    assert outcome(story, "login") == (204, None)
    assert story["login"]["cookies"] == ["access_token", "refresh_token"]


def test_it_reads_its_own_rows(story: Mapping[str, Any]) -> None:
    status, rows = outcome(story, "select")
    assert status == 200
    assert len(rows) >= 3
    assert {row["owner"] for row in rows} == {"demo"}


def test_it_writes(story: Mapping[str, Any]) -> None:
    status, row = outcome(story, "insert")
    assert (status, row["title"], row["owner"]) == (201, "by script", "demo")
    assert outcome(story, "insert many") == (201, None)
    assert outcome(story, "update") == (200, [{"title": "by script", "done": True}])
    assert outcome(story, "upsert") == (200, {"id": story["id"], "title": "by script, again"})
    assert outcome(story, "delete") == (204, None)
    assert story["delete"]["count"] == 3


def test_it_counts_pages_and_filters(story: Mapping[str, Any]) -> None:
    assert story["count"]["count"] == 1
    assert story["range"]["status"] == 206
    assert len(story["range"]["data"]) == 2
    assert story["range"]["count"] >= 6
    assert outcome(story, "filters")[1] == [{"title": "by script, again"}, {"title": "one more ü"}]
    assert outcome(story, "csv")[1] == 'title\n"by script, again"'
    assert failure(story, "one of none") == (406, "PGRST116")
    assert outcome(story, "maybe one") == (200, None)


def test_it_calls_functions(story: Mapping[str, Any]) -> None:
    assert outcome(story, "function") == (200, 3)
    assert outcome(story, "function by get") == (200, [3, 2, 1, 0])
    assert outcome(story, "function with filters") == (200, [{"title": "and another"}])
    assert failure(story, "no such function") == (404, "PGRST202")


def test_it_renews_and_signs_out(story: Mapping[str, Any]) -> None:
    assert outcome(story, "refresh") == (204, None)
    assert story["rotated"]
    assert outcome(story, "logout") == (204, None)
    assert story["logout"]["cookies"] == []
    assert failure(story, "read after") == (401, "GW200")
