"""Tokens that are signed, or nearly, and that two readers could understand differently: all refused."""

from collections.abc import Callable

import pytest

from app.errors import TokenRejected, render

from .builders import NOW, OTHER_SECRET, SECRET, base64url, mint, sign, token_of, verifier

HEADER = b'{"alg":"HS256","typ":"JWT"}'
PAYLOAD = b'{"role":"web","sub":"u1","exp":%d}' % (NOW + 600)
GOOD = sign(HEADER, PAYLOAD)
OTHER = sign(HEADER, PAYLOAD.replace(b"web", b"admin"))


def refusal(token: bytes) -> str:
    with pytest.raises(TokenRejected) as refused:
        verifier().verify(token, NOW)
    return refused.value.reason


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ('{"alg":"none"}', "alg"),  # D03: none, with a good signature
        ('{"alg":"nOnE"}', "alg"),  # D02
        ('{"alg":"hs256"}', "alg"),  # D04
        ('{"alg":"HS384"}', "alg"),
        ('{"alg":"RS256"}', "alg"),  # D06
        ('{"alg":"ES256"}', "alg"),
        ('{"alg":"EdDSA"}', "alg"),
        ('{"alg":["HS256"]}', "alg"),
        ('{"alg":null}', "alg"),
        ('{"typ":"JWT"}', "alg"),
        ("{}", "alg"),
        ('{"alg":"HS256","typ":"refresh+jwt"}', "typ"),  # D15
        ('{"alg":"HS256","typ":"JWE"}', "typ"),
        ('{"alg":"HS256","typ":null}', "typ"),
        ('{"alg":"HS256","typ":["JWT"]}', "typ"),
        ('{"alg":"HS256","kid":1}', "header parameter"),  # D10
        ('{"alg":"HS256","kid":null}', "header parameter"),
        ('{"alg":"HS256","kid":["a"]}', "header parameter"),
        ('{"alg":"HS256","kid":"a\\u0000b"}', "header parameter"),
        ('{"alg":"HS256","crit":["x"],"x":1}', "header parameter"),  # D12
        ('{"alg":"HS256","crit":[]}', "header parameter"),
        ('{"alg":"HS256","cty":"JWT"}', "header parameter"),  # D16
        ('{"alg":"HS256","zip":"DEF"}', "header parameter"),
        ('{"alg":"HS256","b64":false}', "header parameter"),
        ('{"alg":"none","alg":"HS256"}', "not strict JSON"),
        ('{"alg":"HS256","a\\u006cg":"none"}', "not strict JSON"),
        ('["HS256"]', "not an object"),
        ('"HS256"', "not an object"),
        ("null", "not an object"),
        ("HS256", "not strict JSON"),
        ('{"alg":"HS256"}}', "not strict JSON"),
        ('\ufeff{"alg":"HS256"}', "not strict JSON"),
    ],
)
def test_a_header_that_could_mislead_is_refused(header: str, reason: str) -> None:
    assert refusal(sign(header.encode(), PAYLOAD)) == reason


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"HS256"}',
        '{"alg":"HS256","typ":"JWT"}',
        '{"typ":"jwt","alg":"HS256"}',
        '{"alg":"HS256","typ":"at+jwt"}',
        ' {"alg" : "HS256" } ',
        '{"alg":"HS256","kid":"../../../../dev/null"}',  # D09: no file is read
        '{"alg":"HS256","jku":"https://evil.test/keys"}',  # nor is a key fetched
    ],
)
def test_a_header_that_says_nothing_wrong_is_good(header: str) -> None:
    assert verifier().verify(sign(header.encode(), PAYLOAD), NOW).role == "web"


@pytest.mark.parametrize(
    "key",
    [
        OTHER_SECRET,
        b"",
        b"-----BEGIN PUBLIC KEY-----",  # D07
        b'{"kty":"oct","k":"YSBrZXk"}',
        SECRET + b"!",
        SECRET.upper(),
    ],
)
def test_a_token_of_another_key_is_refused(key: bytes) -> None:
    assert refusal(sign(HEADER, PAYLOAD, key=key)) == "bad signature"


@pytest.mark.parametrize("digest", ["sha384", "sha512", "sha1", "md5"])
def test_another_digest_with_our_secret_is_refused(digest: str) -> None:  # D05
    assert refusal(sign(HEADER, PAYLOAD, digest=digest)) == "bad signature"
    assert refusal(sign(b'{"alg":"HS512"}', PAYLOAD, digest=digest)) == "alg"


def test_a_key_that_the_token_brings_along_is_not_used() -> None:
    jwk = b'{"alg":"HS256","jwk":{"kty":"oct","k":"%b"}}' % base64url(OTHER_SECRET)
    assert refusal(sign(jwk, PAYLOAD, key=OTHER_SECRET)) == "bad signature"


MANGLED: dict[str, Callable[[bytes], bytes]] = {
    "padding after the signature": lambda token: token + b"=",  # D38
    "padding after each part": lambda token: b"=.".join(token.split(b".")) + b"=",
    "a blank before": lambda token: b" " + token,  # D39
    "a line end after": lambda token: token + b"\n",
    "a line end inside": lambda token: token[:20] + b"\n" + token[20:],
    "junk inside": lambda token: token[:20] + b"!" + token[20:],
    "quotes around": lambda token: b'"' + token + b'"',
    "an empty signature": lambda token: token.rpartition(b".")[0] + b".",  # D41
    "no signature": lambda token: token.rpartition(b".")[0],
    "half a signature": lambda token: token[:-20],
    "the signature of another token": lambda token: token[:-43] + OTHER[-43:],
    "the claims of another token": lambda token: token.replace(token.split(b".")[1], OTHER.split(b".")[1]),
    "four parts": lambda token: token + b".AAAA",  # D42
    "five parts": lambda _: b"eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.BBBB.CCCC",  # D18
    "dots": lambda _: b"..",
    "nothing": lambda _: b"",
    "no ASCII": lambda _: "é.é.é".encode(),  # D43
    "a prefix": lambda token: b"Bearer " + token,
    "a million characters": lambda _: b"A" * 1_000_000,  # D37
    "one byte too many": lambda token: token + b"A" * (8193 - len(token)),
}  # fmt: skip


@pytest.mark.parametrize("mangle", MANGLED.values(), ids=MANGLED)
def test_only_the_one_spelling_of_a_token_is_good(mangle: Callable[[bytes], bytes]) -> None:
    refusal(mangle(GOOD))


def test_the_standard_alphabet_is_not_the_urls() -> None:  # D39
    spelled_apart = next(
        token
        for token in (mint(sub=f"u{number}").encode() for number in range(100))
        if b"-" in token or b"_" in token
    )
    assert verifier().verify(spelled_apart, NOW).role == "web"
    refusal(spelled_apart.translate(bytes.maketrans(b"-_", b"+/")))


def test_the_unused_bits_of_the_last_character_are_zero() -> None:
    """A digest of 32 bytes leaves two bits over: four spellings would be four tokens with one meaning."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(GOOD[-1:])
    for other in range(1, 4):
        assert refusal(GOOD[:-1] + alphabet[last ^ other : (last ^ other) + 1]) == "base64url not canonical"


def test_a_token_of_eight_kilobytes_is_good_and_one_byte_more_is_not() -> None:
    size = 8192
    tokens = (
        token_of(payload={"role": "web", "exp": NOW + 600, "x": "y" * length}) for length in range(6000, 6200)
    )
    longest = {len(token): token for token in tokens}
    assert verifier().verify(longest[max(length for length in longest if length <= size)], NOW).role == "web"
    assert refusal(longest[min(length for length in longest if length > size)]) == "too long"


def test_one_answer_is_given_whatever_was_wrong() -> None:  # D57
    answers = []
    for token in (
        GOOD + b"=",
        mint(exp=NOW).encode(),
        sign(HEADER, b"[]"),
        sign(HEADER, PAYLOAD, key=OTHER_SECRET),
    ):
        with pytest.raises(TokenRejected) as refused:
            verifier().verify(token, NOW)
        answers.append(render(refused.value, b"id-1"))
    assert answers == [render(TokenRejected(), b"id-1")] * 4
