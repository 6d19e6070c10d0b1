"""Compiles the hot path into C extensions with mypyc when a wheel is built.

Without a C compiler or Python headers, the wheel is plain Python, and `postgate --version` reports why. If
compilation starts and fails, the installation fails: no wheel is half compiled. HATCH_BUILD_NO_HOOKS=true
always builds a plain wheel; an editable installation is always plain.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NOTE = "app/plain.txt"
SETUP = """\
import sys
from setuptools import setup
from mypyc.build import mypycify

files = sys.argv.pop().split(",")
setup(name="postgate-hot-path", ext_modules=mypycify(["--ignore-missing-imports", *files], opt_level="3"))
"""
PROBE = "#include <Python.h>\nint main(void) { return PY_MAJOR_VERSION; }\n"


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Adds the extensions to a wheel."""

    def dependencies(self) -> list[str]:
        """The extra build dependencies; none if this machine cannot compile.

        They include the runtime dependencies: mypyc reads the types of the classes that the hot path extends.
        Without them the result would differ.
        """
        return [*self.config["requires"], *self.metadata.core.dependencies] if missing() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._folder = TemporaryDirectory(prefix="postgate-build-")
        if version == "editable":
            return
        reason = missing()
        if reason is not None:
            self.app.display_warning(f"Postgate is built as plain Python: {reason}.")
            note = Path(self._folder.name, "plain.txt")
            note.write_text(f"{reason}\n", encoding="utf-8")
            build_data["force_include"][str(note)] = NOTE
            return
        self.app.display_info("Compiling the hot path with mypyc, about a minute ...")
        for built in self._compile(Path(self._folder.name)):
            build_data["force_include"][str(built)] = str(built.relative_to(self._folder.name))
        build_data["infer_tag"], build_data["pure_python"] = True, False

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self._folder.cleanup()

    def _compile(self, folder: Path) -> list[Path]:
        """The extensions, built in a copy: a checkout stays plain."""
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(Path(self.root, "app"), folder / "app", ignore=ignored)
        sources = [
            path.relative_to(folder)
            for pattern in self.config["compile"]
            for path in sorted(folder.glob(pattern))
            if path.name != "__init__.py" or path.stat().st_size
        ]
        names = ",".join(path.as_posix() for path in sources)
        command = [sys.executable, "-c", SETUP, "build_ext", "--inplace", "--build-temp", "temp", names]
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        built = [(folder / path).with_suffix(suffix) for path in sources]
        lost = [path.stem for path in built if not path.is_file()]
        if done.returncode or lost:
            raise RuntimeError(
                f"The hot path could not be compiled ({', '.join(lost) or 'see below'});"
                f" HATCH_BUILD_NO_HOOKS=true installs plain Python instead.\n{done.stdout}"
            )
        return [*built, *folder.glob(f"*__mypyc{suffix}")]


def missing() -> str | None:
    """The reason why this machine cannot compile, or None."""
    if platform.python_implementation() != "CPython":
        return f"mypyc compiles for CPython, and this is {platform.python_implementation()}"
    named = os.environ.get("CC")  # noqa: TID251 (setuptools asks it too)
    compiler = shlex.split(named or sysconfig.get_config_var("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        return f"there was no C compiler ({compiler[0]}) when it was installed"
    with TemporaryDirectory(prefix="postgate-probe-") as folder:
        source = Path(folder, "probe.c")
        source.write_text(PROBE, encoding="ascii")
        include = [f"-I{sysconfig.get_path(name)}" for name in ("include", "platinclude")]
        command = [*compiler, *include, "-c", str(source), "-o", str(source.with_suffix(".o"))]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return f"the C compiler ({compiler[0]}) did not find Python's headers when it was installed"
    return None
