"""Postgate itself, through the same interface as its peers."""

import importlib.metadata
import sys
from pathlib import Path

from bench.bed import Bed
from bench.peers.peer import Launch, Peer
from bench.process import free_port

_PROGRAM = Path(sys.executable).with_name("postgate")


_COMPILED = Path(__file__).parents[2] / "build" / "compiled"


def _launch(bed: Bed, port: int) -> Launch:
    return Launch([str(_PROGRAM), "serve"], _environment(bed, port))


def _launch_compiled(bed: Bed, port: int) -> Launch:
    return Launch([str(_PROGRAM), "serve"], _environment(bed, port) | {"PYTHONPATH": str(_COMPILED)})


def _launch_renewing(bed: Bed, port: int) -> Launch:
    return Launch([str(_PROGRAM), "serve"], _environment(bed, port) | {"POSTGATE_RENEWAL": "true"})


def _launch_unrenewing(bed: Bed, port: int) -> Launch:
    return Launch([str(_PROGRAM), "serve"], _environment(bed, port) | {"POSTGATE_RENEWAL": "false"})


def _environment(bed: Bed, port: int) -> dict[str, str]:
    admin_port = free_port()
    return {
        **bed.upstream.settings,
        "POSTGATE_HOST": "127.0.0.1",
        "POSTGATE_PORT": str(port),
        "POSTGATE_ADMIN_PORT": str(admin_port),
        "POSTGATE_WORKERS": "1",
        "POSTGATE_POSTGREST_URL": f"http://127.0.0.1:{bed.upstream.port}",
        "POSTGATE_JWT_SECRET": bed.secret_base64,
        "POSTGATE_IDLE_SECONDS": "600",
    }


def _missing() -> str | None:
    if _PROGRAM.is_file() and (Path(__file__).parents[2] / "app" / "main.py").is_file():
        return None
    return "postgate is not installed: make install"


def _missing_compiled() -> str | None:
    return _missing() or (None if (_COMPILED / "app").is_dir() else "it is not compiled: make compile")


POSTGATE_COMPILED = Peer(
    name="postgate-compiled",
    title="Postgate, compiled",
    kind="gateway",
    missing=_missing_compiled,
    version=lambda: importlib.metadata.version("postgate"),
    launch=_launch_compiled,
)
POSTGATE = Peer(
    name="postgate",
    title="Postgate",
    kind="gateway",
    missing=_missing,
    version=lambda: importlib.metadata.version("postgate"),
    launch=_launch,
)
RENEWAL_ON = Peer(
    name="renewal-on",
    title="Postgate, with renewal",
    kind="renewal",
    missing=_missing,
    version=lambda: importlib.metadata.version("postgate"),
    launch=_launch_renewing,
)
RENEWAL_OFF = Peer(
    name="renewal-off",
    title="Postgate, without renewal",
    kind="renewal",
    missing=_missing,
    version=lambda: importlib.metadata.version("postgate"),
    launch=_launch_unrenewing,
)
