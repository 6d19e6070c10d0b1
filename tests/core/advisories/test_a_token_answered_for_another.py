"""GHSA-4mq7-pvjg-xp2r: a memory of verified tokens was asked with less than the whole token."""

import pytest

from app.errors import TokenRejected
from core.builders import NOW, OTHER_SECRET, mint, verifier


def test_what_one_gateway_remembers_another_key_or_rule_does_not_know() -> None:
    token = mint(aud="other", db_role="none").encode()
    verifier().verify(token, NOW)
    for judge in (verifier(OTHER_SECRET), verifier(audience="gw"), verifier(role_claim="db_role")):
        with pytest.raises(TokenRejected):
            judge.verify(token, NOW)


def test_a_remembered_token_vouches_for_no_other_spelling_of_it() -> None:
    judge = verifier()
    token = mint().encode()
    judge.verify(token, NOW)
    for other in (token + b"=", token + b" ", token[:-1], token.swapcase()):
        with pytest.raises(TokenRejected):
            judge.verify(other, NOW)
