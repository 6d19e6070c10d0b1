"""Decisions about tokens of issuers: how long they hold, what is minted from them, what drops them."""

from typing import Any

import jwt
import pytest
from core.builders import NOW, gateway, refusal, request, verifier

from app.core.authenticators import IssuerBearer, SessionCookie
from app.core.session.revocations import Revocations
from app.core.tokens.admissions import Admissions, Minting
from app.core.tokens.issued import IssuedToken, subject_digest
from app.core.tokens.jwk import hmac_key
from app.core.tokens.role_claim import read_role_claim
from app.core.tokens.verify import TokenVerifier, VerifiedToken
from app.errors import AdmissionDenied, RevocationsUnavailable, TokenRejected

from .provider import new_key

KEY = hmac_key(b"the key of the ring, 32 bytes at least")
ISSUER = "https://id.test"
TOKEN = b"a.token.x"
DIGEST = subject_digest(ISSUER, "u-1")


def issued(*, subject: str = "u-1", seconds: float = 3600) -> IssuedToken:
    return IssuedToken(ISSUER, subject, NOW + seconds, {"role": "web"})


class Desk:
    """A cache, and the verifier of the same ring."""

    def __init__(self, *, role_claim: str = "role", leeway: int = 0, **more: Any) -> None:
        self.revocations = Revocations(refuse_unknown=more.pop("refuse_unknown", False))
        options = {"role_claim": role_claim, "leeway_seconds": leeway, "revocations": self.revocations}
        self.verifier = TokenVerifier([KEY], **options)  # type: ignore[arg-type]
        self.minting = Minting(KEY, read_role_claim(role_claim), "anon", more.pop("audience", None), leeway)
        self.cache = Admissions([ISSUER], self.minting, self.revocations, **more)

    def keep(self, result: Any, token: bytes = TOKEN, **of: Any) -> bool:
        return self.cache.keep(token, issued(**of), result, self.verifier, NOW, self.cache.revision)

    def find(self, seconds: float = 0, token: bytes = TOKEN) -> VerifiedToken | None:
        return self.cache.find(token, self.verifier, NOW + seconds)

    def found(self, seconds: float = 0, token: bytes = TOKEN) -> VerifiedToken:
        found = self.find(seconds, token)
        assert found is not None
        return found


def claims_of(token: VerifiedToken) -> dict[str, Any]:
    raw = token.authorization.removeprefix(b"Authorization: Bearer ").strip()
    unchecked = {"verify_exp": False, "verify_aud": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(raw, KEY.material, ["HS256"], options=unchecked)  # type: ignore[arg-type]
    return claims


def test_a_token_that_is_not_decided_is_not_found() -> None:
    assert Desk().find() is None


def test_what_is_minted_has_the_role_and_the_claims_of_the_decision() -> None:
    desk = Desk(audience="postgrest")
    assert desk.keep({"role": "web", "email": "a@x", "sid": "s", "jti": "j", "iss": "evil", "exp": 9e9})
    assert claims_of(desk.found()) == {
        "role": "web", "email": "a@x", "sub": "u-1", "iss": ISSUER, "aud": "postgrest",
        "iat": NOW - 30, "exp": NOW + 60,
    }  # fmt: skip
    assert (desk.found().role, desk.found().subject) == ("web", "u-1")


def test_a_minted_token_is_used_for_half_its_life_and_then_minted_again_without_a_decision() -> None:
    desk = Desk()
    desk.keep({"role": "web"})
    first = desk.found()
    assert desk.found(29.9) is first
    assert claims_of(desk.found(30))["exp"] == NOW + 90
    assert desk.verifier.is_live(first, NOW + 29)
    assert not desk.verifier.is_live(first, NOW + 30)


@pytest.mark.parametrize("leeway", [0, 30])
def test_a_decision_holds_for_five_minutes_at_most(leeway: int) -> None:
    desk = Desk(leeway=leeway)
    desk.keep({"role": "web"})
    last = desk.found(299.9)
    assert not desk.verifier.is_live(last, NOW + 300)
    assert desk.find(300) is None


def test_a_decision_and_what_is_minted_end_with_the_token() -> None:
    desk = Desk()
    desk.keep({"role": "web"}, seconds=10)
    assert claims_of(desk.found(9))["exp"] == NOW + 10
    assert desk.find(10) is None


def test_null_is_denied_for_a_minute() -> None:
    desk = Desk()
    desk.keep(None)
    with pytest.raises(AdmissionDenied):
        desk.find(59.9)
    assert desk.find(60) is None


@pytest.mark.parametrize(
    "result",
    [{"role": 7}, {"role": ""}, {"role": "pg_monitor"}, {"role": "postgres"}, {"role": 'a"b'}, {"role": []},
     {"role": "x" * 64}, {"role": "web", "n": float("inf")}, {"sub": 7}],
)  # fmt: skip
def test_an_unusable_result_is_denied(result: dict[str, Any]) -> None:
    desk = Desk()
    desk.keep(result)
    with pytest.raises(AdmissionDenied):
        desk.find()


@pytest.mark.parametrize(
    ("path", "result", "placed"),
    [
        (".realm_access.roles[0]", {"role": "web", "realm_access": {"roles": ["admin"]}}, "web"),
        (".realm_access.roles[0]", {"realm_access": {"roles": ["admin"]}}, "anon"),
        ("https://x.test/role", {"role": None, "https://x.test/role": "admin"}, "anon"),
    ],
)
def test_the_role_is_placed_where_postgrest_looks_and_no_other_claim_is_taken_for_it(
    path: str, result: dict[str, Any], placed: str
) -> None:
    desk = Desk(role_claim=path)
    desk.keep(result)
    assert desk.found().role == placed
    assert read_role_claim(path).find(claims_of(desk.found())) == placed


def test_a_revocation_drops_the_decisions_of_its_subject_and_no_others() -> None:
    desk = Desk()
    desk.keep({"role": "web"})
    desk.keep({"role": "web"}, b"other", subject="u-2")
    mine, other = desk.found(), desk.found(token=b"other")

    desk.cache.revoke(DIGEST, NOW)

    assert desk.find() is None
    assert not desk.verifier.is_live(mine, NOW)
    assert desk.verifier.why_over(mine, NOW) == "session ended"
    assert desk.found(token=b"other") is other
    desk.keep({"role": "web"})
    assert desk.verifier.is_live(desk.found(), NOW)


def test_a_decision_made_before_a_revocation_is_not_kept() -> None:
    desk = Desk()
    revision = desk.cache.revision
    desk.cache.revoke(DIGEST, NOW)
    assert not desk.cache.keep(TOKEN, issued(), {"role": "web"}, desk.verifier, NOW, revision)
    assert desk.find() is None


def test_a_stream_goes_on_until_the_token_of_the_issuer_expires() -> None:
    desk = Desk()
    desk.keep({"role": "web"}, seconds=1000)
    token = desk.found()
    assert desk.verifier.why_over(token, NOW + 999) == ""
    assert desk.verifier.why_over(token, NOW + 1000) == "token expired"


def test_all_is_dropped_after_an_outage_of_the_database() -> None:
    desk = Desk()
    desk.keep({"role": "web"})
    desk.cache.drop_all()
    assert desk.find() is None


def test_while_revocations_are_unknown_no_token_is_admitted_if_so_wanted() -> None:
    desk = Desk(refuse_unknown=True)
    desk.revocations.connected()
    desk.keep({"role": "web"})
    desk.revocations.disconnected()
    with pytest.raises(RevocationsUnavailable):
        desk.find()


def test_other_keys_mint_from_the_same_decision() -> None:
    desk = Desk()
    desk.keep({"role": "web"})
    first, other = desk.found(), new_key("ES256", "next")
    desk.cache.adopt(Minting(other, read_role_claim("role"), "anon"))
    assert desk.found().authorization != first.authorization


def test_the_oldest_decision_is_evicted() -> None:
    desk = Desk(remembered=2)
    for token in (b"1", b"2", b"3"):
        desk.keep({"role": "web"}, token)
    assert [desk.find(token=token) is None for token in (b"1", b"2", b"3")] == [True, False, False]


def bearer_of(claims: dict[str, Any]) -> str:
    return (
        f"Authorization: Bearer {jwt.encode(claims, 'another key, that no ring has, of 32 bytes', 'HS256')}"
    )


class TestAdmission:
    """The decision of a request: which Bearer waits, which is rejected."""

    theirs = bearer_of({"iss": ISSUER, "exp": NOW + 60})

    def gate(self) -> Any:
        desk = Desk()
        return gateway(authenticators=(SessionCookie(), IssuerBearer(desk.cache)), verifier=verifier())

    def test_a_bearer_of_an_issuer_waits(self) -> None:
        admitted = self.gate().decide(request("GET /rest/items", self.theirs), NOW)
        assert admitted.undecided is not None
        assert (admitted.token, admitted.head, admitted.refresh) == (None, b"", None)

    @pytest.mark.parametrize(
        "fields",
        [
            (bearer_of({"iss": "https://x", "exp": NOW + 60}),),
            (bearer_of({"exp": NOW + 60}),),
            ("Authorization: Bearer x.y.z",),
            (f"Cookie: access_token={theirs.rpartition(' ')[2]}",),
            (f"Cookie: access_token={theirs.rpartition(' ')[2]}", theirs),
        ],
    )
    def test_others_are_rejected(self, fields: tuple[str, ...]) -> None:
        refusal(TokenRejected, "GET /rest/items", *fields, gate=self.gate())

    def test_an_unknown_path_is_not_shown_to_a_token_that_may_be_forged(self) -> None:
        refusal(TokenRejected, "GET /nothing", self.theirs, gate=self.gate())
