"""Keys as JWK: what each may be used for, and which are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.core.tokens.jwk import decode, encode, hmac_key, read_key
from app.core.tokens.jws import verified_payload
from app.errors import TokenRejected

from .builders import key_pair as private

VECTORS = Path(__file__).parents[3] / "shared/vectors/json_web_signature_test.json"
# Vectors that contradict themselves, each looked at; what is decided here instead is on the right.
REVIEWED = {
    346: "invalid",  # the key is for PS256 alone, and the token says PS384
    350: "invalid",
    347: "invalid",  # the key says `alg: ES521`, which RFC 7518 section 3.1 does not have
    351: "invalid",
    372: "invalid",  # a character outside of base64url in the header; RFC 7515 section 2 has no such spelling
    373: "invalid",
    367: "valid",  # "invalid padding", but the published bytes have none and the signature is right
    370: "valid",
}


def verdict(jwk: dict[str, Any], jws: str) -> str:
    try:
        verified_payload(jws.encode(), [read_key(jwk)])
    except (ValueError, TokenRejected):
        return "invalid"
    return "valid"


@pytest.mark.skipif(not VECTORS.exists(), reason="Project Wycheproof's vectors are not beside this checkout")
def test_every_vector_of_wycheproof_is_decided_as_it_says() -> None:
    groups = json.loads(VECTORS.read_text())["testGroups"]
    cases = [(group.get("public") or group["private"], test) for group in groups for test in group["tests"]]
    assert len(cases) == 401
    wrong = {
        test["tcId"]: got
        for jwk, test in cases
        if (got := verdict(jwk, test["jws"])) != REVIEWED.get(test["tcId"], test["result"])
    }
    assert wrong == {}


# --- what is read


@pytest.mark.parametrize(
    ("kind", "algorithms"),
    [
        ("P-256", ("ES256",)),
        ("P-384", ("ES384",)),
        ("P-521", ("ES512",)),
        ("Ed25519", ("EdDSA",)),
        ("RSA", ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    ],
)
def test_a_key_pair_signs_and_its_public_half_verifies(kind: str, algorithms: tuple[str, ...]) -> None:
    key = read_key({**private(kind), "kid": "k1"})
    assert (key.algorithms, key.can_sign, key.is_symmetric) == (algorithms, True, False)
    public = read_key(key.public_jwk())
    assert (public.algorithms, public.can_sign, public.key_id) == (algorithms, False, "k1")
    signature = key.sign(b"signed")
    assert key.verify(algorithms[0], b"signed", signature)
    assert public.verify(algorithms[0], b"signed", signature)
    assert not public.verify(algorithms[0], b"another", signature)
    assert not public.verify("HS256", b"signed", signature)


def test_a_public_half_holds_nothing_private() -> None:
    for kind in ("P-256", "Ed25519", "RSA"):
        written = read_key({**private(kind), "x5c": ["..."], "d_note": "secret"}).public_jwk()
        assert written.keys() <= {"kty", "crv", "n", "e", "x", "y", "kid", "alg", "use"}
    with pytest.raises(ValueError, match="symmetric"):
        hmac_key(bytes(32)).public_jwk()


def test_a_key_is_not_shown_in_its_description() -> None:
    assert "material" not in repr(hmac_key(b"never in a log, never in a traceback"))


def test_an_rsa_key_without_alg_is_for_the_algorithms_that_are_allowed() -> None:
    jwk = read_key(private("RSA")).public_jwk()
    assert read_key(jwk, ["RS256", "ES256"]).algorithms == ("RS256",)
    with pytest.raises(ValueError, match="not accepted here"):
        read_key(jwk, ["EdDSA"])


EC = private("P-256")
RSA = private("RSA")
OCT = {"kty": "oct", "k": encode(bytes(range(32)))}


@pytest.mark.parametrize(
    ("jwk", "words"),
    [
        ({}, "has a type"),
        ({"kty": "oct"}, "has no k"),
        ({"kty": "ec"}, "has a type"),
        ({**OCT, "k": encode(bytes(31))}, "has 31 bytes"),
        ({**OCT, "k": OCT["k"] + "="}, "member k that is not base64url without padding"),
        ({**OCT, "k": OCT["k"][:-1] + "9"}, "member k that is not base64url in its only spelling"),
        ({**OCT, "k": 5}, "member k"),
        ({**OCT, "alg": "HS384"}, "another algorithm"),
        ({**OCT, "alg": "none"}, "another algorithm"),
        ({**OCT, "alg": ["HS256"]}, "another algorithm"),
        ({**OCT, "use": "enc"}, "another use"),
        ({**OCT, "key_ops": ["encrypt"]}, "other operations"),
        ({**OCT, "key_ops": "verify"}, "other operations"),
        ({**OCT, "key_ops": []}, "other operations"),
        ({**OCT, "kid": 7}, "a kid that is not text"),
        ({**EC, "crv": "secp256k1"}, "a curve"),
        ({**EC, "crv": "P-384"}, "not well-formed"),
        ({**EC, "crv": None}, "a curve"),
        ({**EC, "alg": "ES384"}, "another algorithm"),
        ({**EC, "alg": "HS256"}, "another algorithm"),
        ({**EC, "x": EC["y"], "y": EC["x"]}, "not well-formed"),  # off the curve
        ({**EC, "x": encode(bytes(32))}, "not well-formed"),
        ({**EC, "x": encode(bytes(1) + decode(EC["x"]))}, "not well-formed"),
        ({**EC, "d": private("P-256")["d"]}, "not well-formed"),  # of another pair
        ({key: value for key, value in EC.items() if key != "y"}, "not well-formed"),
        ({"kty": "OKP", "crv": "X25519", "x": encode(bytes(32))}, "a curve"),
        ({"kty": "OKP", "crv": "Ed25519", "x": encode(bytes(31))}, "not well-formed"),
        ({**private("Ed25519"), "d": private("Ed25519")["d"]}, "not well-formed"),
        ({**RSA, "e": encode(b"\x02")}, "not well-formed"),
        ({"kty": "RSA", "n": encode(b"\xb1" * 128), "e": "AQAB"}, "has 1024 bits"),
        ({"kty": "RSA", "n": "sXch", "e": "AQAB"}, "bits|not well-formed"),
    ],
)
def test_a_key_that_is_not_what_it_says_is_refused(jwk: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        read_key(jwk)
    assert not any(str(value) in str(refused.value) for name, value in jwk.items() if name in "dkpqnxy")


@pytest.mark.parametrize(
    "use", [{"use": "sig"}, {"key_ops": ["verify"]}, {"key_ops": ["sign"], "x5t": "..."}]
)
def test_a_key_for_signatures_is_read(use: dict[str, Any]) -> None:
    assert read_key({**OCT, **use}).algorithms == ("HS256",)
