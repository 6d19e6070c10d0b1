"""Access tokens of every kind, made by hand: a token library would refuse to make the bad ones."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

KEY = bytes(range(40, 80))  # forty different bytes
SECRET = base64.b64encode(KEY).decode()
OTHER_KEY = bytes(range(80, 120))
_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(header: bytes, payload: bytes, *, key: bytes = KEY, algorithm: str = "HS256") -> str:
    """A compact JWS over exactly these bytes."""
    signed = f"{base64url(header)}.{base64url(payload)}"
    signature = hmac.new(key, signed.encode(), _DIGESTS[algorithm]).digest()
    return f"{signed}.{base64url(signature)}"


def mint(*, key: bytes = KEY, seconds: int = 3600, **claims: Any) -> str:
    """A good token, unless a claim or the key makes it a bad one."""
    content = {"role": "web", "sub": "u1", "exp": int(time.time()) + seconds, **claims}
    return sign(b'{"alg":"HS256","typ":"JWT"}', json.dumps(content).encode(), key=key)


VALID = mint()
OTHER_VALID = mint(sub="u2", role="editor")
EXPIRED = mint(seconds=-3600)
