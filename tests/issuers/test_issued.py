"""Tokens of an issuer: which verify, and why the others do not."""

import json
from typing import Any

import pytest
from core.builders import NOW, SECRET, key_pair, sign

from app.core.tokens.issued import IssuerRules, unverified_issuer, verify_issued
from app.core.tokens.jwk import read_key
from app.core.tokens.mint import mint
from app.errors import TokenRejected

from .provider import KINDS, new_key

RULES = IssuerRules("https://id.test", ("api", "other"), ("ES256", "EdDSA", "RS256"))
KEY = new_key("ES256", "k1")
BASE = {"iss": "https://id.test", "aud": "api", "sub": "u-1", "exp": NOW + 60}


def token(key: Any = KEY, **claims: Any) -> bytes:
    return mint({name: value for name, value in {**BASE, **claims}.items() if value is not None}, key)


def reason(raw: bytes, *, leeway: int = 0) -> str:
    with pytest.raises(TokenRejected) as rejected:
        verify_issued(raw, [KEY], RULES, NOW, leeway)
    return rejected.value.reason


@pytest.mark.parametrize("algorithm", KINDS)
def test_a_good_token_verifies(algorithm: str) -> None:
    key = new_key(algorithm, "k1")
    issued = verify_issued(token(key, role="web"), [key], RULES, NOW, 0)
    assert (issued.issuer, issued.subject, issued.expires_at) == ("https://id.test", "u-1", NOW + 60)
    assert issued.claims["role"] == "web"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://id.test/"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "web"}, "issuer: audience"),
        ({"aud": None}, "issuer: audience"),
        ({"aud": []}, "issuer: audience"),
        ({"aud": ["api", 7]}, "issuer: audience"),
        ({"sub": None}, "issuer: sub not plain text"),
        ({"sub": ""}, "issuer: sub not plain text"),
        ({"sub": "a\nb"}, "issuer: sub not plain text"),
        ({"exp": None}, "issuer: exp missing"),
        ({"exp": NOW}, "issuer: expired"),
        ({"exp": "soon"}, "exp not a date"),
        ({"nbf": NOW + 1}, "issuer: not yet valid"),
        ({"iat": NOW + 1}, "issuer: not yet valid"),
    ],
)
def test_claims_that_do_not_fit_are_rejected(claims: dict[str, Any], why: str) -> None:
    assert reason(token(**claims)) == why


def test_one_of_several_audiences_is_enough() -> None:
    assert verify_issued(token(aud=["x", "other"]), [KEY], RULES, NOW, 0).subject == "u-1"


def test_the_leeway_applies_to_both_dates() -> None:
    assert verify_issued(token(exp=NOW - 9, nbf=NOW + 9), [KEY], RULES, NOW, 10).subject == "u-1"
    assert reason(token(exp=NOW - 10), leeway=10) == "issuer: expired"


def test_a_kid_must_name_a_key_and_its_key_must_have_signed() -> None:
    assert reason(token(new_key("ES256", "k2"))) == "issuer: no key with this kid"
    assert reason(token(new_key("ES256", "k1"))) == "bad signature"


def test_a_token_without_kid_is_tried_with_every_key() -> None:
    bare = read_key(key_pair("P-256"))
    keys = [KEY, new_key("EdDSA", "k3"), bare]
    assert verify_issued(token(bare), keys, RULES, NOW, 0).subject == "u-1"


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "ES384"])
def test_the_algorithm_of_the_header_chooses_and_adds_none(algorithm: str) -> None:
    header = json.dumps({"alg": algorithm, "kid": "k1"}).encode()
    assert reason(sign(header, json.dumps(BASE).encode(), key=SECRET)) == "alg"


@pytest.mark.parametrize("raw", [b"", b"a.b", b"a.b.c", b"e30.W10.AA", b"e30." + b"e30" * 4000 + b".AA"])
def test_any_bytes_have_no_issuer(raw: bytes) -> None:
    assert unverified_issuer(raw) == ""


def test_the_issuer_is_read_before_the_signature_is_checked() -> None:
    assert unverified_issuer(token()[:-4] + b"AAAA") == "https://id.test"
    assert unverified_issuer(token(iss=["https://id.test"])) == ""
