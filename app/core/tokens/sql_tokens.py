"""Tokens that SQL signs, and what leaves the gateway in their place.

Where the gateway signs with a key pair, SQL gets a random secret of this process. Functions written for
PostgREST sign with it without a change, and a database login that reads it gains nothing, because no verifier
trusts it. The tokens in a function's reply are verified here and replaced by tokens with the same claims.
"""

from base64 import b64decode
from contextlib import suppress

from app.core.tokens.jwk import Key, hmac_key
from app.core.tokens.jws import read_object, verified_payload
from app.core.tokens.mint import mint
from app.core.tokens.verify import TokenVerifier
from app.errors import TokenRejected

# PostgREST refuses a token that was issued in the future, and clocks differ
_BACKDATED_SECONDS = 30


def sql_keys(secret: str) -> tuple[Key, ...]:
    """The keys that SQL may make of a secret in base64: what it decodes to, or the bytes of its text."""
    return (hmac_key(b64decode(secret)), hmac_key(secret.encode()))


class SqlTokens:
    """Mints the tokens of one gateway that SQL has signed."""

    def __init__(self, keys: tuple[Key, ...], signing: Key, verifier: TokenVerifier) -> None:
        """`keys` are SQL's, `signing` is the gateway's, and `verifier` gets to know what it mints."""
        self._keys = keys
        self._signing = signing
        self._verifier = verifier

    def replaced(self, token: bytes, now: float, token_id: str) -> bytes:
        """The gateway's token with the claims of SQL's; any other one as it is.

        `jti` stays: SQL proves with it for which session a token was made. `token_id` is for a token without.
        """
        try:
            claims = read_object(verified_payload(token, self._keys))
        except TokenRejected:
            return token
        claims = {"jti": token_id, **claims, "iat": int(now) - _BACKDATED_SECONDS}
        try:
            minted = mint(claims, self._signing)
        except ValueError:  # a number that JSON cannot write
            return token
        with suppress(TokenRejected):  # its claims: refused again when it comes back
            self._verifier.adopt_minted(minted, claims)
        return minted
