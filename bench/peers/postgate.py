"""Postgate itself, through the same interface as its peers."""

import importlib.metadata
import json
import sys
from dataclasses import replace
from pathlib import Path

from jwt.algorithms import ECAlgorithm

from bench.bed import KEY_PAIR, Bed
from bench.peers.peer import Kind, Launch, Peer
from bench.process import free_port

_PROGRAM = Path(sys.executable).with_name("postgate")
_ROOT = Path(__file__).parents[2]
_COMPILED = _ROOT / "build" / "compiled"


def _peer(name: str, title: str, kind: Kind = "gateway", *, plain: bool = False, **settings: str) -> Peer:
    changes = {f"POSTGATE_{setting.upper()}": value for setting, value in settings.items()}
    if not plain:
        changes["PYTHONPATH"] = str(_COMPILED)

    def missing() -> str | None:
        if not (_PROGRAM.is_file() and (_ROOT / "app" / "main.py").is_file()):
            return "postgate is not installed: make install"
        if not plain and not (_COMPILED / "app").is_dir():
            return "there is no build as installed: make compile"
        return None

    return Peer(
        name=name,
        title=title,
        kind=kind,
        missing=missing,
        version=lambda: importlib.metadata.version("postgate"),
        launch=lambda bed, port: Launch([str(_PROGRAM), "serve"], _environment(bed, port) | changes),
    )


def _private_jwk() -> dict[str, str]:
    """The key pair as `postgate secret new` prints one."""
    key: dict[str, str] = ECAlgorithm.to_jwk(KEY_PAIR, as_dict=True)
    return {**key, "use": "sig", "alg": "ES256", "kid": "bench"}


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


POSTGATE = _peer("postgate", "Postgate")
POSTGATE_PLAIN = _peer("postgate-plain", "Postgate, plain Python", plain=True)
HS256 = _peer("hs256", "Postgate, HS256 tokens", "keys")
ES256 = replace(
    _peer("es256", "Postgate, ES256 tokens", "keys", jwt_secret=json.dumps({"keys": [_private_jwk()]})),
    token=Bed.key_pair_token,
)
RENEWAL_ON = _peer("renewal-on", "Postgate, with renewal", "renewal", renewal="true")
RENEWAL_OFF = _peer("renewal-off", "Postgate, without renewal", "renewal", renewal="false")
