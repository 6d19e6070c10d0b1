"""RFC 8725 section 2.1, CVE-2022-23540: a token that says `alg: none` was taken without any signature."""

import pytest

from app.errors import TokenRejected
from core.builders import NOW, base64url, decide, session


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE"])
def test_a_token_that_asks_for_no_signature_is_refused(alg: str) -> None:
    header = base64url(b'{"alg":"%b"}' % alg.encode())
    payload = base64url(b'{"role":"web","exp":%d}' % (NOW + 600))
    for signature in (b"", b"e30", base64url(bytes(32))):
        with pytest.raises(TokenRejected):
            decide("GET /rest/items", session(b".".join((header, payload, signature)).decode()))
