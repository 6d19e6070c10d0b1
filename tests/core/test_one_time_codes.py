"""One-time codes: what is derived, against vectors that the SQL's tests use too."""

import hmac
import json
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core.one_time_codes import (
    ALPHABET,
    code_key,
    code_keys,
    link_code,
    read_typed_code,
    show_typed_code,
    typed_code,
)

VECTORS: dict[str, Any] = json.loads(
    Path(__file__).parents[1].joinpath("one_time_codes.json").read_text(encoding="utf-8")
)
KEY = bytes(range(32))


@pytest.mark.parametrize("vector", VECTORS["keys"])
def test_a_key_is_that_of_the_vector(vector: dict[str, str]) -> None:
    assert code_key(bytes.fromhex(vector["secret"])).hex() == vector["code_key"]


@pytest.mark.parametrize("vector", VECTORS["codes"])
def test_both_codes_are_those_of_the_vector(vector: dict[str, str]) -> None:
    key, code_id = bytes.fromhex(vector["code_key"]), UUID(vector["id"])
    assert link_code(key, code_id) == vector["link"]
    assert typed_code(key, code_id) == vector["typed"]


@pytest.mark.parametrize(("text", "code"), VECTORS["read"])
def test_a_typed_code_is_read_without_case_blanks_and_dashes(text: str, code: str | None) -> None:
    assert read_typed_code(text) == code


def test_some_vector_skips_a_byte_whose_remainder_would_not_be_uniform() -> None:
    def skips(vector: dict[str, str]) -> bool:
        text = f"typed:{vector['id']}0".encode()
        return max(hmac.digest(bytes.fromhex(vector["code_key"]), text, "sha256")[:8]) >= 240

    assert any(skips(vector) for vector in VECTORS["codes"])


def test_a_shown_code_is_read_as_itself() -> None:
    code = typed_code(KEY, uuid4())
    assert read_typed_code(show_typed_code(code)) == code
    assert show_typed_code("ABCDEFGH") == "ABCD-EFGH"


def test_every_character_is_as_likely_as_any_other() -> None:
    count = 4000
    seen = Counter("".join(typed_code(KEY, UUID(int=number)) for number in range(count)))
    expected = count * 8 / len(ALPHABET)
    assert set(seen) == set(ALPHABET)
    assert all(abs(times - expected) < 0.15 * expected for times in seen.values())


def test_the_two_lengths_of_one_code_and_the_codes_of_two_keys_have_nothing_in_common() -> None:
    first, second = code_keys([b"a" * 32, b"b" * 32])
    code_id = uuid4()
    codes = {link_code(first, code_id), link_code(second, code_id)}
    assert len(codes) == 2
    assert {len(code) for code in codes} == {43}
    assert typed_code(first, code_id) != typed_code(second, code_id)
