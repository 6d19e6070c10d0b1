"""The test bed that the peers of a run share: upstream, secret, tokens.

A token is what the auth functions would put into the access_token cookie.
"""

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

ROOT = Path(__file__).resolve().parent.parent
ROLE = "basic_subscriber"  # of the demo; a static upstream ignores it
KEY_PAIR = generate_private_key(SECP256R1())
TOOLS = ROOT / "build" / "bench"


@dataclass(frozen=True)
class Upstream:
    """The server behind the peers.

    `settings`: settings of Postgate besides its address. `settle` waits until it has finished the work of an
    earlier run.
    """

    title: str
    port: int
    path: str = "/task"
    settings: Mapping[str, str] = field(
        default_factory=lambda: {"POSTGATE_DATABASE_URL": "postgresql://gateway@127.0.0.1:1/none"}
    )
    settle: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Bed:
    folder: Path
    upstream: Upstream
    secret: str
    gateway_cpu: int | None

    @property
    def secret_base64(self) -> str:
        return base64_of(self.secret)

    def token(self, subject: str = "demo") -> str:
        return jwt.encode(_claims(subject), self.secret, algorithm="HS256")

    def key_pair_token(self) -> str:
        return jwt.encode(_claims("demo"), KEY_PAIR, algorithm="ES256")

    def forged_token(self) -> str:
        """Only the signature is wrong, so that the rejection takes the whole check."""
        return jwt.encode(_claims("demo"), "another secret of the same length" * 2, algorithm="HS256")

    def write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        return path


def _claims(subject: str) -> dict[str, object]:
    now = int(time.time())
    return {"sub": subject, "username": subject, "role": ROLE, "iat": now, "exp": now + 24 * 3600}


def new_secret() -> str:
    return secrets.token_hex(32)


def base64_of(secret: str) -> str:
    return base64.b64encode(secret.encode("ascii")).decode("ascii")
