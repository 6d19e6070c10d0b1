"""What `pip install .` builds where nothing can be compiled. `make test-compiled` tests the other wheel."""

import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 240
CASES = {
    "no compiler": ({"CC": "/nowhere/cc"}, "there was no C compiler (/nowhere/cc) when it was installed\n"),
    "no headers": (
        {"CC": "false"},
        "the C compiler (false) did not find Python's headers when it was installed\n",
    ),
    "by choice": ({"HATCH_BUILD_NO_HOOKS": "true"}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_machine_that_cannot_compile_gets_plain_python_and_the_reason(
    environ: Mapping[str, str], tmp_path: Path, case: str
) -> None:
    variables, reason = CASES[case]
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--quiet",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    done = subprocess.run(
        command, env={**environ, **variables}, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if "No matching distribution" in done.stdout + done.stderr:
        pytest.skip("no package index can be reached for the build's requirements")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.iterdir()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert wheel.name == f"postgate-{version}-py3-none-any.whl"
    with ZipFile(wheel) as content:
        names = content.namelist()
        assert not [name for name in names if name.endswith(".so")]
        assert ("app/plain.txt" in names) == (reason is not None)
        if reason is not None:
            assert content.read("app/plain.txt").decode() == reason
