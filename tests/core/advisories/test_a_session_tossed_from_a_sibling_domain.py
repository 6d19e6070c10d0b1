"""RFC 6265bis section 8.6: a sibling domain can set a second cookie of the same name."""

import pytest

from app.errors import CookieAmbiguous
from core.builders import decide, mint, session


def test_neither_of_two_sessions_is_chosen() -> None:
    mine, tossed = mint(sub="u1"), mint(sub="attacker")
    for first, second in ((mine, tossed), (tossed, mine)):
        for fields in (
            [f"Cookie: access_token={first}; access_token={second}"],
            [session(first), session(second)],
        ):
            with pytest.raises(CookieAmbiguous):
                decide("POST /rest/items", *fields)
