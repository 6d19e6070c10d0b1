"""A relay written as a FastAPI endpoint with httpx, the way most people would begin."""

import importlib.metadata
import sys

from bench.bed import ROOT, Bed
from bench.peers.peer import Launch, Peer


def _launch(bed: Bed, port: int) -> Launch:
    secret = bed.write("relay.secret", bed.secret)
    arguments = [sys.executable, "-m", "bench.peers.relay_app"]
    arguments += [str(port), str(bed.upstream.port), str(secret)]
    return Launch(arguments, {"PYTHONPATH": str(ROOT)})


def _version() -> str:
    parts = ("fastapi", "httpx", "uvicorn")
    return ", ".join(f"{part} {importlib.metadata.version(part)}" for part in parts)


RELAY = Peer(
    name="relay",
    title="FastAPI + httpx endpoint",
    kind="gateway",
    missing=lambda: None,
    version=_version,
    launch=_launch,
)
