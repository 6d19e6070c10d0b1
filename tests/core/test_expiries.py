"""Until when the tokens of a session reach, and what ends a stream."""

import pytest

from app.core.session.expiries import TokenExpiries
from app.core.session.revocations import Revocations
from app.core.tokens.jwk import hmac_key
from app.core.tokens.verify import TokenVerifier

from .builders import NOW, SECRET, mint


def test_the_latest_token_of_each_session_counts_and_memory_is_bounded() -> None:
    expiries = TokenExpiries(sessions=2)
    for session, expires_at in (("a", 10), ("b", 20), ("a", 5), ("c", 30)):
        expiries.record(session, expires_at)
    assert len(expiries) == 2
    assert expiries.latest("a", 1) == 10  # noted last but one
    assert expiries.latest("b", 1) == 1
    assert expiries.latest("c", 40) == 40
    assert expiries.latest(None, 3) == 3


@pytest.mark.parametrize("leeway", [0, 30])
def test_a_stream_ends_with_its_token_its_session_or_the_last_token_of_it(leeway: int) -> None:
    ended = Revocations()
    judge = TokenVerifier([hmac_key(SECRET)], revocations=ended, leeway_seconds=leeway)
    first = judge.verify(mint(sid="s", exp=NOW + 10).encode(), NOW)
    alone = judge.verify(mint(exp=NOW + 10).encode(), NOW)
    for verified in (first, alone):
        assert judge.why_over(verified, NOW + 9.9 + leeway) == ""
        assert judge.why_over(verified, NOW + 10 + leeway) == "token expired"
    judge.verify(mint(sid="s", exp=NOW + 50).encode(), NOW)
    judge.verify(mint(sid="s", exp=NOW + 20).encode(), NOW)
    judge.verify(mint(sid="other", exp=NOW + 90).encode(), NOW)
    assert judge.why_over(first, NOW + 49 + leeway) == ""
    assert judge.why_over(first, NOW + 50 + leeway) == "token expired"
    assert judge.why_over(alone, NOW + 10 + leeway) == "token expired"
    ended.revoke("s", NOW + 600)
    assert judge.why_over(first, NOW) == "session ended"


def test_other_rules_for_the_same_sessions_know_what_was_renewed() -> None:
    """Settings are read again: the streams of before go on."""
    ended = Revocations()
    first = TokenVerifier([hmac_key(SECRET)], revocations=ended).verify(
        mint(sid="s", exp=NOW + 10).encode(), NOW
    )
    TokenVerifier([hmac_key(SECRET)], revocations=ended).verify(mint(sid="s", exp=NOW + 50).encode(), NOW)
    assert TokenVerifier([hmac_key(SECRET)], revocations=ended).why_over(first, NOW + 40) == ""
