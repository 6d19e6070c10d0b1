"""A token without a session is revoked by its digest, until it expires."""

import pytest

from app.core.session.revocations import Revocations
from app.errors import TokenRejected
from core.builders import NOW, mint, verifier


def test_only_that_token_is_rejected() -> None:
    by = verifier()
    first, second = mint().encode(), mint(n=2).encode()
    verified = by.verify(first, NOW)
    by.revoke_token(verified)
    with pytest.raises(TokenRejected, match="session ended"):
        by.verify(first, NOW)
    assert not by.is_live(verified, NOW)
    assert by.why_over(verified, NOW) == "session ended"
    assert by.verify(second, NOW).digest != verified.digest


def test_another_gateway_rejects_it_by_the_digest_alone() -> None:
    token, revocations = mint().encode(), Revocations()
    digest = verifier().verify(token, NOW).digest
    assert digest is not None
    revocations.revoke(digest, NOW + 600)
    other = verifier(revocations=revocations)
    for _ in range(2):
        assert other.read_good(token, NOW) is None
    revocations.drop_expired(NOW + 600)
    assert other.read_good(token, NOW) is not None


def test_a_token_with_a_session_has_no_digest_and_is_revoked_with_the_session() -> None:
    by = verifier()
    first, second = (by.verify(mint(sid="s", n=n).encode(), NOW) for n in range(2))
    assert first.digest is None
    by.revoke_token(first)
    assert not by.is_live(second, NOW)


def test_a_token_that_was_just_made_counts_although_an_equal_one_was_revoked() -> None:
    by, token = verifier(), mint().encode()
    by.revoke_token(by.verify(token, NOW))
    assert by.verify_new(token, NOW).subject == "u1"
    with pytest.raises(TokenRejected, match="expired"):
        by.verify_new(token, NOW + 600)
