"""The curl commands that people read, in the README and printed by `postgate dev`, run as they stand."""

from pathlib import Path

from harness.site.curl import Curl, printed_commands
from harness.site.site import Site

from app.devstack.demo import WHAT_TO_TRY

README = Path(__file__).parents[2] / "README.md"


def statuses(site: Site, folder: Path, text: str, *, printed_for: str) -> list[int]:
    here = site.url.replace("127.0.0.1", "localhost")
    curl = Curl(here, folder)
    return [curl.line(line).status for line in printed_commands(text.replace(printed_for, here))]


def test_what_the_demo_prints(site: Site, tmp_path: Path) -> None:
    url = "http://localhost:8123"
    printed = WHAT_TO_TRY.format(url=url, seconds=1.0, folder="x")
    assert statuses(site, tmp_path, printed, printed_for=url) == [204, 200, 401, 201, 200, 200, 200, 204, 204]


def test_what_the_readme_says(site: Site, tmp_path: Path) -> None:
    printed = README.read_text()
    assert statuses(site, tmp_path, printed, printed_for="http://localhost:8000") == [204, 200, 401, 204, 204]
