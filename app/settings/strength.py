"""Whether a key for HS256 can be guessed: too short, repetitive, of few characters, or a known sample.

An attacker with one token can test keys offline, and word lists contain the well-known samples.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

MIN_SECRET_BYTES: Final = 32  # RFC 7518 section 3.2; PostgREST 13 and later reject shorter keys
MIN_DIFFERENT: Final = 12  # characters; 64 random hexadecimal digits have fewer in one of six million cases

# In lower case and without punctuation, so that all spellings of a sample match
_SAMPLES: Final = frozenset(
    {
        "reallyreallyreallyreallyverysafe",  # PostgREST
        "supersecretjwttokenwithatleast32characterslong",  # Supabase
        "astringsecretatleast256bitslong",  # jwt.io
        "avalidstringsecretthatisatleast384bitslong",
        "avalidstringsecretthatisatleast512bitslongwhichisverylong",
        "nfl50bc9u6etnmce7sun6gwhflmy",  # caddy-jwt
        "3ek6fdo0c7tzbnvfjpmkndi2yaraakzqlk8o2ikoxqu4nf7edah8s3twphwrdwt6r",  # Hasura
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI
        "404e635266556a586e3272357538782f413f4428472b4b6250645367566b5970",  # tutorials on Spring Boot
        "3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b",
    }
)
# Words of samples and placeholders that random text does not contain
_WORDS_OF_SAMPLES: Final = (
    "atleast32", "atleast256", "atleast384", "atleast512", "256bitsecret", "384bitsecret", "512bitsecret",
    "changeme", "changethis", "replaceme", "replacewith", "yoursecret", "yoursupersecret", "supersecretjwt",
    "yourjwtsecret", "reallyreallyreally", "djangoinsecure",
)  # fmt: skip
_RFC_KEYS: Final = frozenset(
    base64.urlsafe_b64decode(key)
    for key in (
        # RFC 7515 appendix A.1
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==",
        "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg=",  # RFC 7520 section 3.5
    )
)
_REMEDY: Final = "`postgate secret new` makes a random one"
_PUNCTUATION = re.compile(rb"[^a-z0-9]").sub
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}").fullmatch
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}){8,}").fullmatch


def check_strength(key: bytes) -> None:
    """Reject a key that can be guessed. Raises ValueError, a predicate without the value."""
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"has {len(key)} bytes, and HS256 needs at least {MIN_SECRET_BYTES}")
    forms = tuple(_readings(key))
    if any(map(_is_sample, forms)):
        raise ValueError(f"is a sample from a manual; {_REMEDY}")
    if any(map(_is_repetition, forms)):
        raise ValueError(f"repeats a shorter text; {_REMEDY}")
    if any(_different(form) < MIN_DIFFERENT for form in forms):
        raise ValueError(f"has fewer than {MIN_DIFFERENT} different characters; {_REMEDY}")


def _readings(key: bytes) -> Iterator[bytes]:
    """The key and its base64 and hexadecimal decodings: encoding does not make a key harder to guess."""
    yield key
    text = key.strip()
    if _HEX(text):
        yield bytes.fromhex(text.decode())
    if _BASE64(text):
        padded = text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4)
        try:
            yield base64.b64decode(padded.translate(bytes.maketrans(b"-_", b"+/")), validate=True)
        except binascii.Error:
            return


def _is_sample(key: bytes) -> bool:
    if key in _RFC_KEYS:
        return True
    plain = _PUNCTUATION(b"", key.lower()).decode()
    return plain in _SAMPLES or any(words in plain for words in _WORDS_OF_SAMPLES)


def _different(key: bytes) -> int:
    """The number of different characters of a text; of bytes that are not UTF-8, of different bytes."""
    try:
        return len(set(key.decode()))
    except UnicodeDecodeError:
        return len(set(key))


def _is_repetition(key: bytes) -> bool:
    """Whether it repeats a shorter text, the last repetition possibly cut."""
    return any(key[:-period] == key[period:] for period in range(1, len(key) // 2 + 1))
