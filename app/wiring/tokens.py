"""The verifier of access tokens, as the settings want it."""

from app.core.session.revocations import Revocations
from app.core.tokens.verify import TokenVerifier
from app.settings import Settings


def token_verifier(settings: Settings, revocations: Revocations | None = None) -> TokenVerifier:
    return TokenVerifier(
        settings.jwt_ring.keys,
        role_claim=settings.role_claim,
        anon_role=settings.anon_role,
        audience=settings.jwt_audience,
        leeway_seconds=settings.jwt_leeway_seconds,
        requires_exp=settings.require_exp,
        revocations=revocations,
    )
