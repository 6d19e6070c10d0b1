"""Tokens of other issuers: their keys (fetching, key_sets), and who they become (deciding)."""

from app.auth.issuers.deciding import Issuer, TokenDecisions
from app.auth.issuers.fetching import FETCH_SECONDS, KeyFetcher
from app.auth.issuers.key_sets import KeySet

__all__ = ["FETCH_SECONDS", "Issuer", "KeyFetcher", "KeySet", "TokenDecisions"]
