"""The JWT secret, read as PostgREST reads `jwt-secret`: text, base64, a JSON Web Key, or a set (RFC 7517).

Whichever it is, it makes a ring of keys: the first one that can sign signs, all of them verify. Problems are
described in words without a value.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.tokens.jwk import POSTGREST_ALGORITHMS, Key, decode, encode, hmac_key, read_key
from app.settings.strength import check_strength

# PostgREST takes whatever is no such JSON for the text of a secret, a key with a typing error included.
_LOOKS_LIKE_KEYS = re.compile(rb'\s*[{\[].*"(?:kty|keys)"', re.DOTALL).match

Jwk = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of one secret, and how it was written."""

    text: str = field(repr=False)
    keys: tuple[Key, ...]
    entries: tuple[Jwk, ...] = field(repr=False)  # the same keys as JSON Web Keys
    is_base64: bool  # the text is; what it holds may be JSON all the same
    is_jwk: bool

    @property
    def signing(self) -> Key:
        """The key that signs: the first private or symmetric one."""
        return self.keys[self.signing_index]

    @property
    def signing_index(self) -> int:
        return next(index for index, key in enumerate(self.keys) if key.can_sign)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The symmetric keys."""
        return tuple(key.material for key in self.keys if key.is_symmetric)

    @property
    def private_bytes(self) -> bytes:
        """Bytes that only holders of the signing key know, for keyed digests."""
        if self.signing.is_symmetric:
            return bytes(self.signing.material)
        return decode(self.entries[self.signing_index]["d"])

    @property
    def code_secrets(self) -> tuple[bytes, ...]:
        """The secrets that the keys of one-time codes are derived from: that of the signing key first."""
        others = [
            bytes(key.material) if key.is_symmetric else decode(entry["d"])
            for index, (key, entry) in enumerate(zip(self.keys, self.entries, strict=True))
            if key.can_sign and index != self.signing_index
        ]
        return (self.private_bytes, *others)

    @property
    def for_sql(self) -> tuple[str, bool]:
        """A symmetric signing key as app/sql takes it: text, and whether that is base64."""
        return (self._signing_base64, True) if self.is_jwk else (self.text, self.is_base64)

    @property
    def for_recipes(self) -> str:
        """A symmetric signing key as the known recipes take it, which know one text and no JSON.

        Those that decode base64 have it in base64 already; the others sign with the bytes of a text.
        """
        key: bytes = self.signing.material
        if not self.is_jwk:
            return self.text
        if not self.is_base64 and key.isascii() and key.decode().isprintable():
            return key.decode()
        return self._signing_base64

    @property
    def _signing_base64(self) -> str:
        return base64.b64encode(self.signing.material).decode()

    def public_set(self, *, with_shared: bool = False) -> str:
        """The JWK set of the public keys (RFC 7517 section 5), and of the symmetric ones if asked for."""
        public = [
            dict(entry) if key.is_symmetric else key.public_jwk()
            for key, entry in zip(self.keys, self.entries, strict=True)
            if with_shared or not key.is_symmetric
        ]
        return json.dumps({"keys": public}, separators=(",", ":"))

    @property
    def has_public_keys(self) -> bool:
        return not all(key.is_symmetric for key in self.keys)


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
        return KeyRing(text, (hmac_key(raw),), (oct_jwk(raw),), is_text_base64, is_jwk=False)
    entries = _read_entries(raw)
    keys = _read_keys(entries)
    if not any(key.can_sign for key in keys):
        raise ValueError(
            "holds public keys alone, and the gateway signs with the first private one; "
            "`postgate secret new` makes a key"
        )
    return KeyRing(text, keys, tuple(entries), is_text_base64, is_jwk=True)


def write_ring(entries: Sequence[Jwk], *, is_base64: bool) -> str:
    """A JWK set of these keys, as PostgREST reads it."""
    text = json.dumps({"keys": [dict(entry) for entry in entries]}, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode() if is_base64 else text


def oct_jwk(secret: bytes, key_id: str = "") -> Jwk:
    """A shared secret as a JSON Web Key (RFC 7518 section 6.4)."""
    named = {"kid": key_id} if key_id else {}
    return {"kty": "oct", "alg": "HS256", "k": encode(secret), **named}


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


def _read_keys(entries: Sequence[dict[str, Any]]) -> tuple[Key, ...]:
    keys: list[Key] = []
    problems: list[str] = []
    seen: list[object] = []
    for number, entry in enumerate(entries, start=1):
        try:
            # What PostgREST cannot read makes it take the whole text for one key, so nothing is forgiven here
            key = read_key(entry, POSTGREST_ALGORITHMS)
            if key.is_symmetric:
                check_strength(key.material)
            identity = _identity(key)
            if identity in seen:
                raise ValueError("stands there twice")  # noqa: TRY301  reported like the others
            seen.append(identity)
            keys.append(key)
        except ValueError as error:
            problems.append(f"has a key, number {number}, that {error}")
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(keys)


def _identity(key: Key) -> object:
    """The members by which two entries are the same key."""
    if key.is_symmetric:
        return key.material
    return {name: value for name, value in key.public_jwk().items() if name not in {"kid", "alg"}}
