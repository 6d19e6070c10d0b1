"""The options of a measurement: repeated ones add up, and a ready Caddy can be named."""

from pathlib import Path

import pytest

from bench.__main__ import _chosen
from bench.bed import TOOLS
from bench.peers.caddy import CADDY_JWT, _caddy_jwt
from bench.scenarios import SCENARIOS


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (None, [scenario.name for scenario in SCENARIOS]),
        (["get-1k"], ["get-1k"]),
        (["get-1k", "refused"], ["get-1k", "refused"]),
        (["get-1k,refused", "post-1k", "get-1k"], ["get-1k", "refused", "post-1k"]),
    ],
)
def test_repeated_options_add_up(options: list[str] | None, names: list[str]) -> None:
    assert [scenario.name for scenario in _chosen(options, SCENARIOS)] == names


def test_an_unknown_name_is_said_with_those_that_are_known() -> None:
    with pytest.raises(SystemExit, match="unknown: nothing; known: get-1k"):
        _chosen(["get-1k", "nothing"], SCENARIOS)


def test_a_ready_caddy_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CADDY_JWT", raising=False)
    assert _caddy_jwt() == TOOLS / "caddy-jwt"
    program = tmp_path / "my-caddy"
    monkeypatch.setenv("CADDY_JWT", str(program))
    assert CADDY_JWT.missing() == f"CADDY_JWT names {program}, which is no program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert CADDY_JWT.missing() is None
    assert _caddy_jwt() == program
