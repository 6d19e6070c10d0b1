"""Claims: only those that PostgREST and this gateway cannot understand differently pass."""

from typing import Any

import pytest

from app.errors import TokenRejected

from .builders import NOW, SECRET, mint, sign, verifier

HEADER = b'{"alg":"HS256"}'
LATER = NOW + 600


def verify(payload: str | bytes, **options: Any) -> Any:
    raw = payload if isinstance(payload, bytes) else payload.replace("@LATER@", str(LATER)).encode()
    return verifier(**options).verify(sign(HEADER, raw), NOW)


def refusal(payload: str | bytes, **options: Any) -> str:
    with pytest.raises(TokenRejected) as refused:
        verify(payload, **options)
    return refused.value.reason


@pytest.mark.parametrize(
    "payload",
    [
        '{"role":"web","exp":NaN}',
        '{"role":"web","exp":@LATER@,"x":NaN}',  # D35
        '{"role":"web","exp":@LATER@,"x":-Infinity}',
        '{"role":"web","exp":@LATER@}x',
        '{"role":"web","exp":@LATER@} {}',
        '{"role":"web","exp":@LATER@,}',
        "{'role':'web','exp':@LATER@}",
        '{"role":"web","exp":0@LATER@}',
        '{"role":"we\nb","exp":@LATER@}',
        f'{{"role":"web","exp":{"9" * 5000}}}',  # D24
        f'{{"role":"web","exp":@LATER@,"x":{"9" * 5000}}}',
        '{"role":"web","role":"admin","exp":@LATER@}',  # D27
        '{"role":"web","exp":@LATER@,"exp":@LATER@}',
        '{"role":"web","r\\u006fle":"admin","exp":@LATER@}',
        '{"role":"web","exp":@LATER@,"x":{"a":1,"a":2}}',
        '{"role":"web","exp":@LATER@,"x":[[{"y":{"a":1,"b":2,"a":1}}]]}',
        '{"role":"web","exp":@LATER@,"x":' + "[" * 2500 + "]" * 2500 + "}",
        '{"x":' * 1000 + "1" + "}" * 1000,
        '{"role":"\\ud800","exp":@LATER@}',
        '{"role":"web","sub":"\\udfff","exp":@LATER@}',
        '{"role":"web","exp":@LATER@,"x":["\\ud83d"]}',
        '{"role":"web","exp":@LATER@,"\\ud800":1}',
        "",
        " ",
        b"\xef\xbb\xbf" + b'{"role":"web","exp":%d}' % LATER,  # D34
        f'{{"role":"web","exp":{LATER}}}'.encode("utf-16"),
        f'{{"role":"web","exp":{LATER}}}'.encode("utf-16-le"),
        f'{{"role":"web","exp":{LATER}}}'.encode("utf-32"),
        f'{{"role":"wéb","exp":{LATER}}}'.encode("latin-1"),
        b'{"role":"\xed\xa0\x80","exp":%d}' % LATER,
    ],
)
def test_anything_but_strict_json_is_refused(payload: str | bytes) -> None:
    assert refusal(payload) in {"not strict JSON", "not a compact JWS"}


@pytest.mark.parametrize("payload", ['["role"]', '"role"', "null", "1", "true"])  # D33
def test_claims_are_an_object(payload: str) -> None:
    assert refusal(payload) == "not an object"


@pytest.mark.parametrize(
    ("role", "reason"),
    [
        (',"role":null', "role not plain text"),
        (',"role":""', "role not plain text"),
        (',"role":1', "role not plain text"),
        (',"role":true', "role not plain text"),
        (',"role":["web"]', "role not plain text"),
        (',"role":{"name":"web"}', "role not plain text"),
        (',"role":"web\\u0000x"', "role not plain text"),  # D51
        (',"role":"web\\n"', "role not plain text"),
        (',"role":"web\\u0085"', "role not plain text"),
        (',"role":"web\\u2028"', "role not plain text"),
        (',"role":"web "', "role not plain text"),
        (',"role":" web"', "role not plain text"),
        (',"role":"\\u00a0web"', "role not plain text"),
        (',"role":"we\\"b"', "role not a role name"),
        (f',"role":"{"w" * 64}"', "role not a role name"),
        (f',"role":"{"é" * 32}"', "role not a role name"),
        (',"role":"none"', "role reserved"),
        (',"role":"public"', "role reserved"),
        (',"role":"postgres"', "role reserved"),  # D48
        (',"role":"authenticator"', "role reserved"),
        (',"role":"pg_read_all_data"', "role reserved"),
        (',"role":"pg_"', "role reserved"),
    ],
)
def test_a_role_is_the_plain_name_of_an_ordinary_role(role: str, reason: str) -> None:
    assert refusal('{"exp":@LATER@%s}' % role) == reason  # noqa: UP031


@pytest.mark.parametrize(
    "role", ["web", "Web", "web user", "rôle", "w" * 63, "é" * 31, "web-1", "null", "nonesuch", "x' or 1=1"]
)
def test_any_other_name_is_a_role_for_postgres_to_know(role: str) -> None:
    assert verifier().verify(mint(role=role).encode(), NOW).role == role


def test_the_role_may_be_in_another_claim() -> None:
    payload = '{"role":"admin","db_role":"web","exp":@LATER@}'
    assert verify(payload, role_claim="db_role").role == "web"
    assert verify('{"role":"web","exp":@LATER@}', role_claim="db_role").role == "anon"


def test_the_role_may_be_at_the_end_of_a_path() -> None:
    payload = '{"realm_access":{"roles":["offline_access","app_editor"]},"exp":@LATER@}'
    assert verify(payload, role_claim=".realm_access.roles[1]").role == "app_editor"
    assert verify(payload, role_claim='.realm_access.roles[?(@ ^== "app_")]').role == "app_editor"
    assert verify(payload, role_claim=".realm_access.roles[2]").role == "anon"
    assert refusal(payload, role_claim=".realm_access.roles") == "role not plain text"


@pytest.mark.parametrize("other", ["", ',"Role":"web"', ',"roles":["web"]'])
def test_a_token_without_a_role_acts_as_the_anonymous_role_with_its_claims(other: str) -> None:  # D45
    found = verify('{"sub":"u1","exp":@LATER@%s}' % other, anon_role="stranger")  # noqa: UP031
    assert (found.role, found.subject, found.claims["sub"]) == ("stranger", "u1", "u1")


def test_a_token_without_exp_is_good_only_where_that_is_allowed() -> None:
    for exp in ("", ',"exp":null'):
        payload = '{"role":"web"%s}' % exp  # noqa: UP031
        assert refusal(payload) == "exp missing"
        found = verify(payload, requires_exp=False)
        assert found.expires_at > 1e300
    assert refusal('{"role":"web","exp":1}', requires_exp=False) == "expired"


@pytest.mark.parametrize(
    "sub", ['"a\\r\\nSet-Cookie: x=1"', '"\\u0000"', '"\\u2029"', "1", "true", "[]", "{}"]
)
def test_a_subject_is_plain_text(sub: str) -> None:  # D53
    assert refusal('{"role":"web","exp":@LATER@,"sub":%s}' % sub) == "sub not plain text"  # noqa: UP031


def test_a_subject_is_not_required() -> None:
    assert verify('{"role":"web","exp":@LATER@}').subject is None
    assert verify('{"role":"web","exp":@LATER@,"sub":null}').subject is None
    assert verify('{"role":"web","exp":@LATER@,"sub":"<b>Zoë</b> \\ud83d\\ude00"}').subject == "<b>Zoë</b> 😀"


@pytest.mark.parametrize("aud", ["", '"gw"', '["gw"]', '["other","gw"]', '["other",1]', "null", "[]"])
def test_without_a_configured_audience_any_is_good(aud: str) -> None:
    assert verify('{"role":"web","exp":@LATER@%s}' % (aud and f',"aud":{aud}')).role == "web"


@pytest.mark.parametrize("aud", ["", "null", "[]"])
def test_a_token_that_names_no_audience_is_good_as_with_postgrest(aud: str) -> None:
    assert verify('{"role":"web","exp":@LATER@%s}' % (aud and f',"aud":{aud}'), audience="gw").role == "web"


@pytest.mark.parametrize("aud", ['"gw"', '["gw"]', '["other","gw"]'])
def test_a_token_for_the_configured_audience_is_good(aud: str) -> None:
    assert verify('{"role":"web","exp":@LATER@,"aud":%s}' % aud, audience="gw").role == "web"  # noqa: UP031


@pytest.mark.parametrize(
    "aud",
    [
        '"other"',
        '"GW"',
        '"gw "',
        '"gateway"',
        '["other"]',
        '["gw",1]',
        '{"gw":1}',
        "true",
        '[["gw"]]',
    ],
)
def test_a_token_for_another_audience_is_refused(aud: str) -> None:  # D31
    payload = '{"role":"web","exp":@LATER@%s}' % (aud and f',"aud":{aud}')
    assert refusal(payload, audience="gw") == "audience"


def test_the_claims_are_read_only_after_the_signature() -> None:
    unsigned = sign(HEADER, b"\xff\xfe not JSON", key=SECRET + b"!")
    with pytest.raises(TokenRejected) as refused:
        verifier().verify(unsigned, NOW)
    assert refused.value.reason == "bad signature"
