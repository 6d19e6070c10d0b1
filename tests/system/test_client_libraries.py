"""Client libraries of PostgREST, newest versions, unmodified, with the paths that they use by default."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness.site.clients import JS, PYTHON
from harness.site.gateways import StartGateway
from harness.site.site import Site

KEY = "sb_publishable_of_the_tests"
SECONDS = 60

pytestmark = pytest.mark.xdist_group("js")


@pytest.fixture(scope="module")
def gateway(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    """The site under all three prefixes, with the anonymous role for clients without a session."""
    with start_gateway(
        site.environ, rest_prefix="/rest/,/rest/v1/,/", published_key=KEY, anonymous="allow"
    ) as gateway:
        yield replace(site, gateway=gateway)


@pytest.fixture(scope="module")
def stories(gateway: Site, js_clients: Path) -> Mapping[str, Any]:
    tokens = (gateway.token(), gateway.token(seconds=-1))
    return _read(["node", str(JS / "clients.mjs"), str(js_clients), gateway.url, KEY, *tokens])


@pytest.fixture(scope="module")
def python_story(gateway: Site, python_client: Path) -> Mapping[str, Any]:
    command = [
        sys.executable,
        str(PYTHON / "story.py"),
        gateway.url,
        gateway.token(),
        gateway.token(seconds=-1),
    ]
    return _read(command, {"PYTHONPATH": str(python_client)})


def _read(command: list[str], environ: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, Any] = json.loads(done.stdout)
    return outcomes


def test_supabase_js_has_a_session_in_cookies_beside_its_published_key(stories: Mapping[str, Any]) -> None:
    assert stories["supabase-js"] == {
        "anonymous": 200,
        "login": 204,
        "owners": ["demo"],
        "written": [201, 204],
        "logout": [204, 0],
        "after": 401,  # PostgREST's own: the anonymous role may not read tasks
        "token": ["demo"],
        "expired": "JWT expired",
    }


def test_postgrest_js_works_under_each_prefix(stories: Mapping[str, Any]) -> None:
    assert stories["postgrest-js"] == {
        "login": 204,
        "owners": ["demo"],
        "expired": [401, "JWT expired", ["code", "details", "hint", "message"]],
    }


def test_ra_data_postgrest_lists_and_writes_at_the_root(stories: Mapping[str, Any]) -> None:
    assert stories["ra-data-postgrest"] == {
        "before": 401,
        "owners": ["demo"],
        "page": 2,
        "total": True,
        "changed": True,
    }


def test_vue_postgrest_reads_the_description_at_the_root_and_knows_an_expired_token(
    stories: Mapping[str, Any],
) -> None:
    assert stories["vue-postgrest"] == {
        "anonymous": 200,
        "login": 204,
        "owners": ["demo"],
        "expired": [True, "invalid_token", "JWT expired", "JWT expired"],
    }


def test_postgrest_py_signs_in_with_cookies_or_a_token(python_story: Mapping[str, Any]) -> None:
    assert python_story == {
        "anonymous": True,
        "owners": ["demo"],
        "token": ["demo"],
        "sum": 3,
        "expired": ["GW205", "JWT expired"],
    }
