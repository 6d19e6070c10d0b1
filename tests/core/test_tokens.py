"""Access tokens: what one of our keys signed is good, within its time."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jwt.algorithms import HMACAlgorithm
from typing_extensions import override

from app.core.tokens import jwk
from app.core.tokens.jwk import hmac_key, read_key
from app.core.tokens.verify import TokenVerifier
from app.errors import TokenRejected

from .builders import NOW, OTHER_SECRET, SECRET, base64url, key_pair, mint, sign, verifier
from .properties import tried


def refusal(token: bytes, now: float = NOW, **options: Any) -> str:
    with pytest.raises(TokenRejected) as refused:
        verifier(**options).verify(token, now)
    return refused.value.reason


def test_a_verified_token_tells_who_asks_and_goes_on_byte_for_byte() -> None:
    token = mint().encode()
    found = verifier().verify(token, NOW)
    assert (found.role, found.subject, found.expires_at) == ("web", "u1", NOW + 600)
    assert found.authorization == b"Authorization: Bearer " + token + b"\r\n"


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=60).filter(
    lambda name: name not in {"none", "public", "postgres", "authenticator"} and not name.startswith("pg_")
)


@tried
@given(names, st.integers(NOW + 1, NOW + 10**9), st.dictionaries(st.text(), json_values, max_size=4))
def test_verifying_what_was_minted_gives_its_claims(role: str, exp: int, extra: dict[str, Any]) -> None:
    claims = {
        key: value for key, value in extra.items() if key not in {"nbf", "iat", "sub", "aud", "iss", "jti"}
    }
    claims |= {"role": role, "exp": exp}
    token = mint(claims).encode()
    assume(len(token) <= 8192)
    assert verifier().verify(token, NOW).claims == claims


def test_flipping_any_one_bit_of_a_token_makes_it_refused() -> None:
    token = mint().encode()
    judge = verifier()
    judge.verify(token, NOW)
    for position in range(len(token)):
        for bit in range(8):
            forged = bytearray(token)
            forged[position] ^= 1 << bit
            with pytest.raises(TokenRejected):
                judge.verify(bytes(forged), NOW)


@tried
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_a_token(token: bytes) -> None:
    refusal(token)


@tried
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_are_refused_even_with_a_good_signature(header: bytes, payload: bytes) -> None:
    refusal(sign(header, payload))
    refusal(sign(b'{"alg":"HS256"}', payload))


def test_a_token_ends_with_the_second_of_its_exp() -> None:
    token = mint().encode()
    assert verifier().verify(token, NOW + 599.999).role == "web"
    assert refusal(token, NOW + 600) == "expired"
    assert refusal(mint(exp=NOW - 15).encode()) == "expired"  # D26: no leeway unless it is configured


def test_leeway_moves_both_ends_of_a_tokens_time() -> None:
    token = mint(nbf=NOW).encode()
    judge = verifier(leeway_seconds=30)
    assert judge.verify(token, NOW + 629).role == "web"
    assert judge.verify(token, NOW - 30).role == "web"
    assert refusal(token, NOW + 630, leeway_seconds=30) == "expired"
    assert refusal(token, NOW - 31, leeway_seconds=30) == "not yet valid"


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_is_not_good_before_its_time(claim: str) -> None:
    token = mint({"role": "web", "exp": NOW + 600, claim: NOW + 10}).encode()
    assert refusal(token, NOW + 9) == "not yet valid"
    assert verifier().verify(token, NOW + 10).role == "web"
    assert (
        verifier().verify(mint({"role": "web", "exp": NOW + 600, claim: NOW - 0.5}).encode(), NOW).role
        == "web"
    )


def _payload(**changes: object) -> bytes:
    return json.dumps({"role": "web", "exp": NOW + 600} | changes).encode()


def test_every_key_of_the_ring_is_good_while_it_is_listed() -> None:  # D55
    tokens = [mint(key=key).encode() for key in (SECRET, OTHER_SECRET)]
    for ring in ((SECRET, OTHER_SECRET), (OTHER_SECRET, SECRET)):
        judge = TokenVerifier([hmac_key(key) for key in ring])
        for token in tokens * 2:
            assert judge.verify(token, NOW).role == "web"
    for listed, token, dropped in zip((SECRET, OTHER_SECRET), tokens, reversed(tokens), strict=True):
        judge = TokenVerifier([hmac_key(listed)])
        assert judge.verify(token, NOW).role == "web"
        with pytest.raises(TokenRejected):
            judge.verify(dropped, NOW)


@pytest.mark.parametrize("key_id", ["unknown", "", "b"])
def test_an_id_that_names_no_other_key_lets_every_key_be_tried(key_id: str) -> None:
    header = json.dumps({"alg": "HS256", "kid": key_id}).encode()
    judge = TokenVerifier([hmac_key(OTHER_SECRET, "a"), hmac_key(SECRET, "b")])
    assert judge.verify(sign(header, _payload()), NOW).role == "web"


def test_an_id_that_names_a_key_chooses_it() -> None:
    header = json.dumps({"alg": "HS256", "kid": "a"}).encode()
    judge = TokenVerifier([hmac_key(OTHER_SECRET, "a"), hmac_key(SECRET, "b")])
    with pytest.raises(TokenRejected):
        judge.verify(sign(header, _payload()), NOW)
    assert judge.verify(sign(header, _payload(), key=OTHER_SECRET), NOW).role == "web"


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("P-256", "ES256"), ("P-384", "ES384"), ("Ed25519", "EdDSA"), ("RSA", "RS256")]
)
def test_a_token_of_a_key_pair_is_good_by_its_public_half_alone(kind: str, algorithm: str) -> None:
    private = read_key({**key_pair(kind), "kid": "pair"})
    judge = TokenVerifier([hmac_key(SECRET), read_key(private.public_jwk())])
    for key_id in ("pair", "unknown"):
        signed = b".".join(map(base64url, (_header(algorithm, key_id), _payload())))
        token = signed + b"." + base64url(private.sign(signed))
        assert judge.verify(token, NOW).role == "web"
        with pytest.raises(TokenRejected):
            judge.verify(signed + b"." + base64url(private.sign(signed + b"x")), NOW)
        for other in ("HS256", "ES256", "RS512", "none"):
            relabelled = b".".join(map(base64url, (_header(other, key_id), _payload())))
            if other != algorithm:
                with pytest.raises(TokenRejected):
                    judge.verify(relabelled + b"." + base64url(private.sign(relabelled)), NOW)


def _header(algorithm: str, key_id: str) -> bytes:
    return json.dumps({"alg": algorithm, "kid": key_id}).encode()


def test_a_token_that_was_minted_here_is_remembered_without_verifying_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge, algorithm = counting(monkeypatch)
    token, claims = mint().encode(), {"role": "web", "sub": "u1", "exp": NOW + 600}
    judge.adopt_minted(token, claims)
    assert judge.verify(token, NOW).claims == claims
    assert algorithm.calls == 0


def test_without_a_key_every_token_is_refused() -> None:
    with pytest.raises(TokenRejected):
        TokenVerifier([]).verify(mint().encode(), NOW)


class _Counting(HMACAlgorithm):
    """Counts how often a signature was computed."""

    calls = 0

    @override
    def verify(self, msg: bytes, key: bytes, sig: bytes) -> bool:
        self.calls += 1
        return super().verify(msg, key, sig)


def counting(monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[TokenVerifier, _Counting]:
    algorithm = _Counting(HMACAlgorithm.SHA256)
    monkeypatch.setitem(jwk._ALGORITHMS, "HS256", algorithm)
    return verifier(**options), algorithm


def test_a_good_token_is_remembered_and_its_time_is_still_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # D56
    judge, algorithm = counting(monkeypatch)
    token = mint().encode()
    assert judge.verify(token, NOW) is judge.verify(token, NOW + 1)
    assert algorithm.calls == 1
    with pytest.raises(TokenRejected):
        judge.verify(token, NOW + 600)
    with pytest.raises(TokenRejected):
        judge.verify(token, NOW + 601)


def test_a_token_before_its_time_is_not_let_in_by_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    judge, _ = counting(monkeypatch)
    token = mint(nbf=NOW + 10).encode()
    for now in (NOW, NOW + 5):
        with pytest.raises(TokenRejected):
            judge.verify(token, now)
    assert judge.verify(token, NOW + 10).role == "web"


def test_a_bad_token_is_never_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    judge, algorithm = counting(monkeypatch)
    forged = mint(key=OTHER_SECRET).encode()
    for _ in range(3):
        with pytest.raises(TokenRejected):
            judge.verify(forged, NOW)
    assert algorithm.calls == 3


def test_the_memory_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    judge, algorithm = counting(monkeypatch, remembered=2)
    first, second, third = (mint(sub=f"u{number}").encode() for number in range(3))
    for token in (first, second, third):
        judge.verify(token, NOW)
    assert algorithm.calls == 3
    judge.verify(third, NOW)
    judge.verify(second, NOW)
    assert algorithm.calls == 3
    assert judge.verify(first, NOW).subject == "u0"
    assert algorithm.calls == 4


@pytest.mark.parametrize("leeway", [0, 30])
def test_a_token_is_live_just_as_long_as_it_is_verified(leeway: int) -> None:
    judge = verifier(leeway_seconds=leeway)
    token = mint(nbf=NOW).encode()
    found = judge.verify(token, NOW)
    for now in (NOW - 31, NOW - 30, NOW - 1, NOW, NOW + 599.9, NOW + 600, NOW + 629.9, NOW + 630):
        try:
            verified = judge.verify(token, now) is found
        except TokenRejected:
            verified = False
        else:
            assert verified
        assert judge.is_live(found, now) is verified


def test_two_tokens_are_never_taken_for_each_other() -> None:
    judge = verifier()
    tokens = {f"u{number}": mint(sub=f"u{number}").encode() for number in range(20)}
    for _ in range(2):
        assert [judge.verify(token, NOW).subject for token in tokens.values()] == list(tokens)
