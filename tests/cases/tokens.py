"""Bad tokens by recipe: header and payload as raw JSON, a key, an algorithm, and what is done to it then."""

from dataclasses import dataclass

from harness.relay.tokens import KEY, OTHER_KEY, VALID, base64url, sign

from cases.text import at_now, repeat

_PUBLIC_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----
"""
_JWK = b'{"kty":"oct","k":"c2VjcmV0"}'
_KEYS = {"good": KEY, "previous": OTHER_KEY, "pem": _PUBLIC_KEY, "jwk": _JWK, "empty": b"\0"}
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class Recipe:
    """How a token is made."""

    header: str = '{"alg":"HS256","typ":"JWT"}'
    payload: str = '{"role":"web","sub":"u1","exp":@NOW+600@}'
    key: str = "good"  # `none`: no signature
    algorithm: str = "HS256"
    encoding: str = "utf-8"  # of the payload
    mangle: str = ""
    token: str | None = None  # as it stands


def make(recipe: Recipe) -> str:
    """The token of a recipe."""
    if recipe.token is not None:
        return repeat(recipe.token)
    header = recipe.header.encode()
    payload = repeat(at_now(recipe.payload)).encode(recipe.encoding)
    if recipe.key == "none":
        return f"{base64url(header)}.{base64url(payload)}."
    return _mangle(sign(header, payload, key=_KEYS[recipe.key], algorithm=recipe.algorithm), recipe.mangle)


def _mangle(token: str, how: str) -> str:
    signed, _, signature = token.rpartition(".")
    mangled = {
        "": token,
        "pad": f"{token}=",
        "standard alphabet": token.replace("-", "+").replace("_", "/"),
        "blank": f"{signed}.{signature[:9]} {signature[9:]}",
        "bang": f"{signed}.{signature[:9]}!{signature[9:]}",
        "newline": f"{signed}.{signature}%0a",
        "no signature": f"{signed}.",
        "cut signature": token[:-4],
        "swapped signature": f"{signed}.{signature[::-1]}",
        "signature of a good token": f"{signed}.{VALID.rpartition('.')[2]}",
        # 32 bytes leave two bits of the last letter unused: its neighbour decodes to the same bytes.
        "other spelling": token[:-1] + _ALPHABET[_ALPHABET.index(token[-1]) ^ 1],
    }
    return mangled[how]
