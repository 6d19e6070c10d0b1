"""Which secrets can be guessed: in whatever form they are given, and never a random one."""

import base64
import json
import secrets
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings.keys import read_ring
from app.settings.strength import MIN_DIFFERENT, check_strength

SAMPLES = [
    "reallyreallyreallyreallyverysafe",
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-key-at-least-32-characters-long",
    "SUPER_SECRET_JWT_TOKEN_WITH_AT_LEAST_32_CHARACTERS_LONG",
    "a-string-secret-at-least-256-bits-long",
    "a-valid-string-secret-that-is-at-least-384-bits-long",
    "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    "NFL5*0Bc#9U6E@tnmC&E7SUN6GwHfLmY",
    "3EK6FD+o0+c7tzBNVfjpMkNDi2yARAAKzQlk8O2IKoxQu4nF7EdAh8s3TwpHwrdWT6R",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
    "please-change-me-to-something-secret-2024",
    "change_this_to_a_long_random_string_ok",
    "replace-with-a-secure-random-value-now",
]
REPEATED = [
    "password" * 4,
    "correct horse battery stapl" * 2,
    "0123456789abcdef" * 2,
    "x" * 40,
    "abcdefghijklm" * 3 + "abc",
]
PLAIN = [
    "01234567890987654321012345678909876",
    "aaaabbbbccccddddeeeeffffgggghhhhii",
    "hunter2hunter3hunter4hunter5hunter6",
    "парольпарольвапрольпаролькольпар",
]

FORMS: dict[str, tuple[Callable[[bytes], str], bool]] = {
    "as text": (bytes.decode, False),
    "as base64": (lambda key: base64.b64encode(key).decode(), True),
    "as base64url without padding, in a JWK": (
        lambda key: json.dumps({"kty": "oct", "k": base64.urlsafe_b64encode(key).decode().rstrip("=")}),
        False,
    ),
    "as text that is base64": (lambda key: base64.b64encode(key).decode(), False),
    "as text that is base64url": (lambda key: base64.urlsafe_b64encode(key).decode().rstrip("="), False),
    "as text that is hexadecimal": (bytes.hex, False),
    "as base64 of base64": (lambda key: base64.b64encode(base64.b64encode(key)).decode(), True),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        *((text, "is a sample from a manual") for text in SAMPLES),
        *((text, "repeats a shorter text") for text in REPEATED),
        *((text, "has fewer than 12 different characters") for text in PLAIN),
    ],
)
def test_a_secret_that_can_be_guessed_is_refused_in_every_form(text: str, words: str, form: str) -> None:
    encode, is_base64 = FORMS[form]
    with pytest.raises(ValueError, match=r"^has a key|^is|^repeats|^has fewer") as refused:
        read_ring(encode(text.encode()), is_base64=is_base64)
    assert words in str(refused.value)
    assert "`postgate secret new`" in str(refused.value)
    assert text not in str(refused.value)


@pytest.mark.parametrize(
    "make",
    [
        secrets.token_bytes,
        lambda: secrets.token_hex(32).encode(),
        lambda: secrets.token_hex(32).upper().encode(),
        lambda: secrets.token_urlsafe(32).encode(),
        lambda: base64.b64encode(secrets.token_bytes(32)),
        lambda: b"pg_" + secrets.token_urlsafe(32).encode(),
    ],
    ids=["bytes", "hex", "HEX", "base64url", "base64", "of `secret rotate`"],
)
def test_a_random_secret_is_taken(make: Callable[[], bytes]) -> None:
    for _ in range(300):  # each of 64 random hexadecimal digits fails once in six million times
        check_strength(make())


@given(st.binary(min_size=1, max_size=40), st.integers(2, 9), st.integers(0, 39))
def test_any_repetition_is_refused(part: bytes, times: int, more: int) -> None:
    key = part * times + part[: more % len(part)]
    with pytest.raises(ValueError, match=r"repeats a shorter text|has \d+ bytes|is a sample"):
        check_strength(key)


@given(st.sets(st.integers(0, 255), min_size=1, max_size=MIN_DIFFERENT - 1).flatmap(
    lambda few: st.lists(st.sampled_from(sorted(few)), min_size=32, max_size=80)
))  # fmt: skip
def test_few_different_characters_are_refused(key: list[int]) -> None:
    with pytest.raises(ValueError, match=r"fewer than 12 different characters|repeats a shorter text"):
        check_strength(bytes(key))


@pytest.mark.parametrize(
    "text",
    [
        "a plain text secret of 32 bytes é",
        "correct horse battery staple, thirty-two",
        "пароль из слов, и длинный",
    ],
)
def test_a_text_of_ones_own_is_taken(text: str) -> None:
    assert read_ring(text, is_base64=False).secrets == (text.encode(),)
