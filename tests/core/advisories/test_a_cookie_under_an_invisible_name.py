"""PortSwigger, "Cookie Chaos" (2025): trimmed blanks and legacy syntax spell a protected name anew."""

import pytest

from app.errors import CookieAmbiguous, CredentialMissing
from core.builders import decide, mint


@pytest.mark.parametrize(
    "name",
    [
        "\xa0access_token",
        "access_token\x85",
        "\xe2\x80\x80access_token",
        "\x1faccess_token",
        "access_token\x0b",
    ],
)
def test_a_name_that_only_looks_like_ours_is_no_session(name: str) -> None:
    with pytest.raises(CredentialMissing):
        decide("GET /rest/items", f"Cookie: {name}={mint()}")


def test_legacy_syntax_quotes_nothing() -> None:
    with pytest.raises(CookieAmbiguous):
        decide("GET /rest/items", f'Cookie: $Version=1; access_token="x"; $Path=/; access_token={mint()}')
