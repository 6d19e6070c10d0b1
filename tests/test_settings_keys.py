"""The JWT secret as a JSON Web Key or a set: read as PostgREST reads it, or refused without a value."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from test_settings import REQUIRED, problems

from app.operator.new_keys import new_jwk
from app.settings import Settings, load_settings
from app.settings.keys import oct_jwk, read_ring, write_ring
from app.wiring.functions import function_settings, new_sql_secret

NEW, OLD = bytes(range(1, 33)), bytes(range(101, 149))
TEXT = b"a key of printable text, 32 bytes and more"
SAMPLE = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"  # RFC 7515
PRIVATE = dict(new_jwk("ES256", datetime.now(UTC)))
PUBLIC = {name: value for name, value in PRIVATE.items() if name != "d"}


def base64url(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()


def jwk(key: bytes, **members: Any) -> dict[str, Any]:
    return {"kty": "oct", "k": base64url(key), **members}


def key_set(*entries: dict[str, Any]) -> str:
    return json.dumps({"keys": entries})


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def settings(secret: str, *, is_base64: bool = True) -> Settings:
    changes = {"POSTGATE_JWT_SECRET": secret, "POSTGATE_JWT_SECRET_IS_BASE64": str(is_base64).lower()}
    return load_settings({**REQUIRED, **changes})


# --- what is read


@pytest.mark.parametrize("is_base64", [True, False])
@pytest.mark.parametrize("blanks", ["", "\n", " \n\t"])
def test_a_key_or_a_set_is_read_as_it_stands(blanks: str, *, is_base64: bool) -> None:
    assert settings(blanks + json.dumps(jwk(NEW)), is_base64=is_base64).jwt_keys == (NEW,)
    both = key_set(jwk(NEW, alg="HS256", kid="b", use="sig"), jwk(OLD, key_ops=["verify"], note="old"))
    assert settings(both + blanks, is_base64=is_base64).jwt_keys == (NEW, OLD)
    assert settings(json.dumps(json.loads(both), indent=2), is_base64=is_base64).jwt_keys == (NEW, OLD)


def test_a_set_in_base64_is_read_as_postgrest_reads_it() -> None:
    """PostgREST decodes first and looks for JSON then: as tests/system/test_key_sets.py sees."""
    both = key_set(jwk(NEW), jwk(OLD))
    assert settings(in_base64(both) + "\n").jwt_keys == (NEW, OLD)
    assert settings(in_base64(both), is_base64=False).jwt_keys == (in_base64(both).encode(),)


@pytest.mark.parametrize(
    "text",
    ['{"k":"a secret of text that only begins in the way of JSON"}', "{not JSON at all, and 32 bytes}!"],
)
def test_a_text_that_is_no_key_is_a_text(text: str) -> None:
    assert settings(text, is_base64=False).jwt_keys == (text.encode(),)


def test_the_keys_are_not_shown() -> None:
    ring = settings(key_set(jwk(TEXT))).jwt_ring
    assert "printable" not in repr(ring)
    assert base64url(TEXT) not in repr(ring)


def test_what_is_written_is_read_again() -> None:
    for is_base64 in (True, False):
        text = write_ring([oct_jwk(NEW, "2026-11-21"), oct_jwk(OLD)], is_base64=is_base64)
        ring = read_ring(text, is_base64=is_base64)
        assert (ring.secrets, ring.signing.key_id, ring.is_base64) == ((NEW, OLD), "2026-11-21", is_base64)


def test_the_first_key_that_can_sign_signs_and_every_key_verifies() -> None:
    ring = settings(key_set(PUBLIC, jwk(NEW), jwk(OLD))).jwt_ring
    assert (ring.signing.material, ring.secrets, len(ring.keys)) == (NEW, (NEW, OLD), 3)
    assert settings(key_set(PRIVATE, jwk(OLD))).jwt_ring.signing.algorithms == ("ES256",)


def test_the_public_set_has_no_private_member_and_a_secret_only_when_asked_for() -> None:
    ring = settings(key_set(PRIVATE, jwk(OLD, kid="old"))).jwt_ring
    assert json.loads(ring.public_set()) == {"keys": [PUBLIC]}
    assert json.loads(ring.public_set(with_shared=True)) == {"keys": [PUBLIC, jwk(OLD, kid="old")]}
    assert settings(key_set(jwk(OLD))).jwt_ring.public_set() == '{"keys":[]}'


# --- what is refused

NOT_JSON = "looks like a JSON Web Key, and is not well-formed JSON"
NO_KEY = "is neither a JSON Web Key nor a set of them"
NO_K = "has a member k that is not base64url"
NO_PRIVATE_KEY = (
    "holds public keys alone, and the gateway signs with the first private one; "
    "`postgate secret new` makes a key"
)
REMEDY = "`postgate secret new` makes a random one"


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ('{"kty":"oct","k":"%s"' % base64url(NEW), NOT_JSON),  # noqa: UP031
        ('{"kty":"oct","kty":"oct","k":"%s"}' % base64url(NEW), NOT_JSON),  # noqa: UP031
        ('{"kty":"oct","k":"%s","k":"%s"}' % (base64url(NEW), base64url(OLD)), NOT_JSON),  # noqa: UP031
        ('{"keys":' + "[" * 5000 + '"kty"', NOT_JSON),
        (json.dumps([jwk(NEW)]), NO_KEY),
        ('{"keys":{"kty":"oct"}}', NO_KEY),
        ('{"keys":["kty"]}', NO_KEY),
        ('{"keys":null}', NO_KEY),
        ('{"keys":[]}', "is a set without keys"),
        (
            key_set(PUBLIC),
            NO_PRIVATE_KEY,
        ),
    ],
)
def test_what_is_no_key_and_no_set_is_refused(secret: str, problem: str) -> None:
    """PostgREST would take the JSON itself for the text of a secret."""
    for is_base64 in (True, False):
        assert problems(jwt_secret=secret, jwt_secret_is_base64=str(is_base64).lower()) == [
            f"POSTGATE_JWT_SECRET {problem}"
        ]
    assert problems(jwt_secret=in_base64(secret)) == [f"POSTGATE_JWT_SECRET {problem}"]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "is not well-formed"),
        ({"k": base64url(NEW)}, "has a type (kty) besides oct, RSA, EC and OKP"),
        (jwk(NEW, alg="HS512"), "is for another algorithm (alg) than its type allows"),
        (jwk(NEW, alg="none"), "is for another algorithm (alg) than its type allows"),
        (jwk(NEW, kid=7), "has a kid that is not text"),
        (
            {"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "PS256"},
            "is for an algorithm that is not accepted here",
        ),
        (jwk(NEW, use="enc"), "is for another use than signatures"),
        ({"kty": "oct"}, "has no k"),
        ({"kty": "oct", "k": 7}, f"{NO_K} without padding"),
        ({"kty": "oct", "k": base64.urlsafe_b64encode(NEW).decode()}, f"{NO_K} without padding"),  # padded
        (
            {"kty": "oct", "k": base64.b64encode(b"\xff" * 48 + NEW).decode().rstrip("=")},  # / and +
            f"{NO_K} without padding",
        ),
        ({"kty": "oct", "k": base64url(NEW)[:-1] + "B"}, f"{NO_K} in its only spelling"),
        ({"kty": "oct", "k": base64url(NEW) + "\n"}, f"{NO_K} without padding"),
        (jwk(b""), f"{NO_K} without padding"),
        (jwk(NEW[:31]), "has 31 bytes, and HS256 needs at least 32"),
        (jwk(b"q" * 40), f"repeats a shorter text; {REMEDY}"),
        ({"kty": "oct", "k": SAMPLE}, f"is a sample from a manual; {REMEDY}"),
    ],
)
def test_a_key_that_postgrest_would_not_take_is_refused(entry: dict[str, Any], problem: str) -> None:
    told = [f"POSTGATE_JWT_SECRET has a key, number 2, that {problem}"]
    assert problems(jwt_secret=key_set(jwk(OLD), entry)) == told
    assert problems(jwt_secret=in_base64(key_set(jwk(OLD), entry))) == told


def test_every_bad_key_is_told_and_no_value_with_them() -> None:
    told = problems(
        jwt_secret=key_set(jwk(NEW), jwk(b"hunter2"), {"kty": "EC"}, jwk(NEW), PUBLIC, PRIVATE),
        port="hunter2",
    )
    assert told == [
        "POSTGATE_PORT is not a whole number in digits",
        "POSTGATE_JWT_SECRET has a key, number 2, that has 7 bytes, and HS256 needs at least 32",
        "POSTGATE_JWT_SECRET has a key, number 3, that has a curve (crv) that is not accepted here",
        "POSTGATE_JWT_SECRET has a key, number 4, that stands there twice",
        "POSTGATE_JWT_SECRET has a key, number 6, that stands there twice",
    ]


# --- what SQL is handed

SQL_SECRET = new_sql_secret()


def handed(secret: str, *, is_base64: bool = True) -> tuple[str, str, str]:
    """The secret, whether it is base64, and the recipes' secret."""
    given = function_settings(settings(secret, is_base64=is_base64), SQL_SECRET)
    assert given["pgrst.jwt_secret"] == given["app.jwt_secret"]
    return (
        given["app.settings.jwt_secret"],
        given["app.settings.jwt_secret_is_base64"],
        given["pgrst.jwt_secret"],
    )


def test_a_secret_of_the_plain_kinds_is_handed_over_as_it_stands() -> None:
    secret = base64.urlsafe_b64encode(bytes(range(225, 256)) + b"x").decode()
    assert handed(secret) == (secret, "true", secret)
    assert handed(TEXT.decode(), is_base64=False) == (TEXT.decode(), "false", TEXT.decode())


def test_where_the_gateway_signs_with_a_key_pair_sql_is_handed_the_secret_of_the_process() -> None:
    for ring in (key_set(PRIVATE), key_set(PRIVATE, jwk(OLD))):
        assert handed(ring) == (SQL_SECRET, "true", SQL_SECRET)


def test_of_a_set_the_signing_key_alone_is_handed_over() -> None:
    new = base64.b64encode(NEW).decode()
    assert handed(key_set(jwk(NEW), jwk(OLD))) == (new, "true", new)
    assert handed(in_base64(key_set(jwk(NEW), jwk(OLD)))) == (new, "true", new)


def test_recipes_get_base64_where_the_setting_says_so_and_text_where_it_does_not() -> None:
    """Those that decode were set up with the one, those that sign with the bytes of a text with the other."""
    new = base64.b64encode(TEXT).decode()
    both = key_set(jwk(TEXT), jwk(OLD))
    assert handed(in_base64(both)) == (new, "true", new)
    assert handed(both, is_base64=False) == (new, "true", TEXT.decode())
