"""NumericDates of a token: numbers with or without a fraction, compared as they are (RFC 7519 section 2)."""

import pytest

from app.errors import TokenRejected

from .builders import NOW, sign, verifier

HEADER = b'{"alg":"HS256"}'
LATER = NOW + 600
YEAR_10000 = 253_402_300_800


def token(**dates: str) -> bytes:
    """A token with these dates, each as its JSON text."""
    claims = "".join(f',"{name}":{text}' for name, text in ({"exp": str(LATER)} | dates).items() if text)
    return sign(HEADER, f'{{"role":"web"{claims}}}'.encode())


def refusal(token: bytes, now: float = NOW) -> str:
    with pytest.raises(TokenRejected) as refused:
        verifier().verify(token, now)
    return refused.value.reason


@pytest.mark.parametrize(
    ("text", "expires_at"),
    [
        (f"{LATER}", LATER),
        (f"{LATER}.0", LATER),
        (f"{LATER}.5", LATER + 0.5),
        (f"{LATER}.123456", LATER + 0.123456),  # as `extract(epoch from now())` writes it
        (f"{LATER}.000000000000000000000001", LATER),
        ("1.8000006e9", LATER),
        ("1.8000006E9", LATER),
        ("1.8000006e+9", LATER),
        ("180000060000e-2", LATER),
        (f"{YEAR_10000 - 1}", YEAR_10000 - 1),
    ],
)
def test_an_exp_is_any_json_number_and_keeps_its_fraction(text: str, expires_at: float) -> None:
    assert verifier().verify(token(exp=text), NOW).expires_at == expires_at


@pytest.mark.parametrize("text", [f"{LATER}.25", f"{LATER + 0.25:.6f}", f"{(LATER + 0.25) * 100:.0f}e-2"])
def test_a_token_is_good_until_the_fraction_of_its_exp(text: str) -> None:
    judge = verifier()
    found = judge.verify(token(exp=text), LATER + 0.2)
    assert judge.is_live(found, LATER + 0.2)
    assert not judge.is_live(found, LATER + 0.25)
    assert refusal(token(exp=text), LATER + 0.25) == "expired"


def test_the_cache_of_verified_tokens_ends_with_the_fraction() -> None:
    judge = verifier()
    judge.verify(token(exp=f"{LATER}.5"), NOW)
    judge.verify(token(exp=f"{LATER}.5"), LATER + 0.4)
    with pytest.raises(TokenRejected):
        judge.verify(token(exp=f"{LATER}.5"), LATER + 0.5)


@pytest.mark.parametrize("text", ["0", "-0", "-0.0", "0.5", "1e-5", "-1", "-1.5", "1e9", "1.7e9", f"{NOW}.0"])
def test_an_exp_that_is_past_has_expired_however_it_is_written(text: str) -> None:
    assert refusal(token(exp=text)) == "expired"


@pytest.mark.parametrize("text", ["", "null"])
def test_a_token_without_an_exp_is_refused(text: str) -> None:
    assert refusal(token(exp=text)) == "exp missing"


NO_DATES = [
    f'"{LATER}"', f'"{LATER}.5"', '"NaN"', '""', "true", "false", f"[{LATER}]", f'{{"at":{LATER}}}',
    "1e30", "-1e30", "1e999", "-1e999", "1e400", f"{YEAR_10000}", f"{YEAR_10000 - 0.5}",
    "9" * 400, "-" + "9" * 400,
]  # fmt: skip


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("text", NO_DATES)
def test_no_number_or_none_of_our_era_is_no_date(claim: str, text: str) -> None:
    assert refusal(token(**{claim: text})) == f"{claim} not a date"


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", f"+{LATER}", f"0{LATER}", f"{LATER}.", ".5", "0x1"]
)
def test_a_date_is_written_as_json_has_numbers(claim: str, text: str) -> None:
    assert refusal(token(**{claim: text})) == "not strict JSON"


@pytest.mark.parametrize("claim", ["nbf", "iat"])
@pytest.mark.parametrize(
    "text", ["", "null", "0", "-0", "-1", "1e9", "1.7e9", f"{NOW - 1}.999999", f"{NOW}", f"{NOW}.0"]
)
def test_nbf_and_iat_may_be_absent_null_or_any_past_date(claim: str, text: str) -> None:
    assert verifier().verify(token(**{claim: text}), NOW).role == "web"


@pytest.mark.parametrize("claim", ["nbf", "iat"])
@pytest.mark.parametrize("text", [f"{NOW}.25", f"{(NOW + 0.25) * 100:.0f}e-2"])
def test_a_token_is_good_from_the_fraction_of_its_nbf_and_iat(claim: str, text: str) -> None:
    early = token(**{claim: text})
    assert refusal(early, NOW + 0.2) == "not yet valid"
    assert verifier().verify(early, NOW + 0.25).role == "web"
