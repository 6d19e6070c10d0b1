"""One-time codes, derived from a key that the database does not have.

A code is an HMAC of its row's id, in two lengths: 256 bits for links, 8 characters for typing. The database
holds ids only, so a reader of the database cannot use a code, that of a queued mail included.
"""

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Final
from uuid import UUID

# Without I, L, O, U, 0 and 1, which readers confuse (RFC 8628 section 6.1)
ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
TYPED_LENGTH: Final = 8
_INFO: Final = b"postgate one-time codes"
# A byte of at least this is skipped: the remainders of the others are uniform
_SAMPLED: Final = 256 - 256 % len(ALPHABET)
_SEPARATORS: Final = str.maketrans("", "", " \t\r\n\u00a0-\u2010\u2011\u2012\u2013\u2014")


def code_key(secret: bytes) -> bytes:
    """The 32-byte key for codes of a signing key: HKDF-SHA256 without a salt (RFC 5869)."""
    extracted = hmac.digest(bytes(sha256().digest_size), secret, sha256)
    return hmac.digest(extracted, _INFO + b"\x01", sha256)


def code_keys(secrets: Sequence[bytes]) -> tuple[bytes, ...]:
    """The keys for codes of a key ring: the first derives, all verify."""
    return tuple(code_key(secret) for secret in secrets)


def link_code(key: bytes, code_id: UUID) -> str:
    """The code for a link: 256 bits in base64url, 43 characters."""
    digest = hmac.digest(key, f"link:{code_id}".encode(), sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def typed_code(key: bytes, code_id: UUID) -> str:
    """The code for typing: 8 characters of the alphabet, 39 bits."""
    letters = ""
    counter = 0
    while len(letters) < TYPED_LENGTH:
        digest = hmac.digest(key, f"typed:{code_id}{counter}".encode(), sha256)
        letters += "".join([ALPHABET[byte % len(ALPHABET)] for byte in digest if byte < _SAMPLED])
        counter += 1
    return letters[:TYPED_LENGTH]


def show_typed_code(code: str) -> str:
    """The typed code in two groups, as mails and pages show it: ABCD-EFGH."""
    half = TYPED_LENGTH // 2
    return f"{code[:half]}-{code[half:]}"


def read_typed_code(text: str) -> str | None:
    """The typed code in a user's text, in any case, with blanks and dashes; None if it is not one."""
    plain = text.translate(_SEPARATORS)
    # ASCII first: the upper case of some other letters is ASCII, such as that of U+017F
    if not plain.isascii() or len(plain) != TYPED_LENGTH:
        return None
    code = plain.upper()
    return code if all(letter in ALPHABET for letter in code) else None
