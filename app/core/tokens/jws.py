"""A compact JWS (RFC 7515), read in one way only, and its signature.

Readers disagree about padding, duplicate keys, byte order marks and odd constants: what two of them could
read differently is rejected. The header chooses among the keys, and each key is bound to its algorithms
(RFC 8725 section 3.1).
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from app.core.tokens.jwk import Key
from app.errors import TokenRejected

split_compact = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)").fullmatch
has_control = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]").search
# Extensions, nesting and compression: nothing that signs for PostgREST needs them (RFC 8725 section 3.6)
_REFUSED_PARAMETERS = ("crit", "cty", "zip", "b64")


def verified_payload(token: bytes, keys: Sequence[Key]) -> bytes:
    """The bytes that a token carries, if one of the keys made its signature.

    Raises TokenRejected.
    """
    parts = split_compact(token)
    if parts is None:
        raise TokenRejected(reason="not a compact JWS")
    header = read_object(decode(parts[1]))
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise TokenRejected(reason="alg")
    fitting = _fitting(keys, algorithm, header.get("kid"))
    if not fitting:
        raise TokenRejected(reason="alg")
    signed, payload, signature = token[: parts.end(2)], decode(parts[2]), decode(parts[3])
    if not any(key.verify(algorithm, signed, signature) for key in fitting):
        raise TokenRejected(reason="bad signature")
    _check_header(header)
    return payload


def _fitting(keys: Sequence[Key], algorithm: str, key_id: object) -> list[Key]:
    """The keys that may have made a signature: those that `kid` names, or else all of that algorithm.

    PostgREST 12 ignores `kid`; later releases want it to name a key.
    """
    fitting = [key for key in keys if algorithm in key.algorithms]
    named = [key for key in fitting if key_id is not None and key.key_id == key_id]
    return named or fitting


def decode(part: bytes) -> bytes:
    """Decode base64url; one spelling only, or two different strings would be one token."""
    try:
        raw = urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        raise TokenRejected(reason="not base64url") from None
    if urlsafe_b64encode(raw).rstrip(b"=") != part:
        raise TokenRejected(reason="base64url not canonical")
    return raw


def read_object(raw: bytes) -> dict[str, Any]:
    """A JSON object that every reader understands alike. Raises TokenRejected."""
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError):
        raise TokenRejected(reason="not strict JSON") from None
    if not isinstance(value, dict):
        raise TokenRejected(reason="not an object")
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate key")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _check_header(header: dict[str, Any]) -> None:
    if str(header.get("typ", "JWT")).lower() not in {"jwt", "at+jwt"}:
        # RFC 8725 section 3.11: a token made for another purpose is not an access token.
        raise TokenRejected(reason="typ")
    kid = header.get("kid", "")
    if not isinstance(kid, str) or has_control(kid) or not header.keys().isdisjoint(_REFUSED_PARAMETERS):
        raise TokenRejected(reason="header parameter")
