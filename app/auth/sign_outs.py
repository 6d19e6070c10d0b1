"""Announce a revoked token to every gateway of the database, on the channel that SQL uses for sessions.

Tokens of functions that know no sessions are revoked by the id that the gateway gave them, or by their
digest. No table has these revocations: a gateway that starts later does not know them.
"""

import json
import math
from typing import Final

from app.auth.listener import CHANNEL
from app.auth.queries import fetch_row
from app.auth.transactions import READ_COMMITTED, Pool, acquired, preparing, transaction
from app.core.tokens.verify import VerifiedToken

_NOTIFY: Final = (
    "select pg_catalog.pg_notify($1::pg_catalog.text, $2::pg_catalog.text)::pg_catalog.text as sent"
)
_MOST_SECONDS: Final = 366 * 86_400  # of a token without `exp`: what the listener takes


class SignOuts:
    """Announces tokens, as the gateway's login."""

    def __init__(self, pool: Pool, *, acquire_seconds: float = 5) -> None:
        self._pool = pool
        self._acquire_seconds = acquire_seconds

    async def announce(self, token: VerifiedToken, now: float) -> None:
        """Make every gateway reject this token, and others of its session, until it expires.

        `now` is in seconds since the epoch. Raises DatabaseUnavailable or DatabaseBusy.
        """
        left = min(token.expires_at - now, _MOST_SECONDS)
        revoked = {"sid": token.session or token.digest, "seconds": max(1, math.ceil(left))}
        async with (
            acquired(self._pool, seconds=self._acquire_seconds) as connection,
            transaction(connection, isolation=READ_COMMITTED, read_only=False),
        ):
            await preparing(fetch_row(connection, _NOTIFY, CHANNEL, json.dumps(revoked)))
