"""The JWT secret, read as PostgREST reads `jwt-secret`: text, base64, a JSON Web Key, or a set (RFC 7517).

Whichever it is, it makes a ring of HMAC keys: the first one signs, all of them verify. What is wrong with it
is told in words without a value.
"""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.settings.strength import check_strength

# PostgREST takes whatever is no such JSON for the text of a secret, a key with a typing error included.
_LOOKS_LIKE_KEYS = re.compile(rb'\s*[{\[].*"(?:kty|keys)"', re.DOTALL).match
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*").fullmatch


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of one secret, and how it was written."""

    text: str = field(repr=False)
    keys: tuple[bytes, ...] = field(repr=False)
    is_base64: bool  # the text is; what it holds may be JSON all the same
    is_jwk: bool
    key_id: str = ""  # of the first key; PostgREST 13 and later compare it with that of a token

    @property
    def for_sql(self) -> tuple[str, bool]:
        """The signing key as app/sql takes it: text, and whether that is base64."""
        return (self._signing_base64, True) if self.is_jwk else (self.text, self.is_base64)

    @property
    def for_recipes(self) -> str:
        """The signing key as the known recipes take it, which know one text and no JSON.

        Those that decode base64 have it in base64 already; the others sign with the bytes of a text.
        """
        key = self.keys[0]
        if not self.is_jwk:
            return self.text
        if not self.is_base64 and key.isascii() and key.decode().isprintable():
            return key.decode()
        return self._signing_base64

    @property
    def _signing_base64(self) -> str:
        return base64.b64encode(self.keys[0]).decode()


def read_ring(text: str, *, is_base64: bool) -> KeyRing:
    """Raises ValueError, a line for each problem, in words that follow the name of what holds the secret."""
    try:
        raw, is_text_base64 = text.encode(), False
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8") from None
    if is_base64 and _LOOKS_LIKE_KEYS(raw) is None:
        raw, is_text_base64 = _decode_base64(text), True
    if _LOOKS_LIKE_KEYS(raw) is None:
        if not is_text_base64 and text.strip() and text != text.strip():
            raise ValueError("begins or ends with a blank or a line end, which would be part of the secret")
        check_strength(raw)
        return KeyRing(text, (raw,), is_text_base64, is_jwk=False)
    entries = _read_entries(raw)
    keys = _read_keys(entries)
    return KeyRing(text, keys, is_text_base64, is_jwk=True, key_id=str(entries[0].get("kid", "")))


def write_ring(keys: Sequence[bytes], *, key_id: str, is_base64: bool) -> str:
    """A JWK set of these keys, as PostgREST reads it; `key_id` is the first one's."""
    entries = [{"kty": "oct", "alg": "HS256", "k": _base64url(key)} for key in keys]
    entries[0]["kid"] = key_id
    text = json.dumps({"keys": entries})
    return base64.b64encode(text.encode()).decode() if is_base64 else text


def _decode_base64(text: str) -> bytes:
    standard = text.strip().translate(str.maketrans("-_.", "+/="))
    try:
        return base64.b64decode(standard, validate=True)
    except binascii.Error:
        raise ValueError(
            "is not base64; for a plain text secret set POSTGATE_JWT_SECRET_IS_BASE64=false"
        ) from None


def _read_entries(raw: bytes) -> list[dict[str, Any]]:
    try:
        read = json.loads(raw.decode(), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError):
        raise ValueError("looks like a JSON Web Key, and is not well-formed JSON") from None
    entries = read.get("keys", [read]) if isinstance(read, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("is neither a JSON Web Key nor a set of them")
    if not entries:
        raise ValueError("is a set without keys")
    return entries


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate member")
    return value


def _read_keys(entries: Sequence[dict[str, Any]]) -> tuple[bytes, ...]:
    keys: list[bytes] = []
    problems: list[str] = []
    for number, entry in enumerate(entries, start=1):
        try:
            key = _read_key(entry)
            if key in keys:
                raise ValueError("stands there twice")  # noqa: TRY301  told like the others
            keys.append(key)
        except ValueError as error:
            problems.append(f"has a key, number {number}, that {error}")
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(keys)


def _read_key(entry: dict[str, Any]) -> bytes:
    """What PostgREST cannot read makes it take the whole text for one key, so nothing is forgiven here."""
    if entry.get("kty") != "oct":
        raise ValueError("is not symmetric (kty oct)")
    if entry.get("alg") not in {None, "HS256"}:
        raise ValueError("is for another algorithm than HS256")
    if entry.get("use") not in {None, "sig"}:
        raise ValueError("is for another use than signatures")
    text = entry.get("k")
    if not isinstance(text, str) or _BASE64URL(text) is None or len(text) % 4 == 1:
        raise ValueError("has no k in base64url without padding")
    key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _base64url(key) != text:
        raise ValueError("has no k in base64url without padding")
    check_strength(key)
    return key


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
