"""Mint access tokens: claims, signed with a key of the gateway's (RFC 7519, RFC 7515 section 7.1)."""

import json
from collections.abc import Mapping
from typing import Any

from app.core.tokens.jwk import Key, encode


def mint(claims: Mapping[str, Any], key: Key) -> bytes:
    """A token in compact form that names its key, if that has an id.

    Raises ValueError for a number that JSON cannot write.
    """
    header = {"alg": key.algorithms[0], "typ": "JWT"}
    if key.key_id is not None:
        header["kid"] = key.key_id
    signed = f"{_part(header)}.{_part(claims)}".encode()
    return b"%b.%b" % (signed, encode(key.sign(signed)).encode())


def _part(members: Mapping[str, Any]) -> str:
    text = json.dumps(members, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return encode(text.encode())
