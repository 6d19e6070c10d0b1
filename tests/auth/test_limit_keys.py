"""What tries are counted by: no variant of a name or of an address is a fresh start."""

import pytest

from app.auth.functions import FunctionCall
from app.auth.limits.keys import Digests, account_of, canonical_name, networks_of

JSON = b"application/json"
FORM = b"application/x-www-form-urlencoded"


def account(body: str, media: bytes | None = JSON, query: bytes = b"", argument: str = "user_") -> str | None:
    headers = [] if media is None else [(b"content-type", media)]
    return account_of(FunctionCall("login", "/rpc/login", query, headers, body.encode()), argument)


@pytest.mark.parametrize(
    "spelling",
    ["demo", "DEMO", "Demo", " demo", "demo ", "\tdemo\u00a0", "ｄｅｍｏ", "\u3000demo\u2003", "ᵈemo"],  # noqa: RUF001
)
def test_a_spelling_of_a_name_is_that_name(spelling: str) -> None:
    """F31."""
    assert canonical_name(spelling) == "demo"


@pytest.mark.parametrize(
    ("one", "other"), [("Straße", "STRASSE"), ("é", "e\u0301"), ("ﬁ", "FI"), ("K", "\u212a"), ("ς", "Σ")]
)
def test_two_spellings_have_one_form(one: str, other: str) -> None:
    """F31."""
    assert canonical_name(one) == canonical_name(other)


def test_other_names_have_other_forms() -> None:
    assert len({canonical_name(name) for name in ("demo", "demo2", "d emo", "dem", "")}) == 5


def test_a_name_without_end_costs_no_more_than_a_long_one() -> None:
    assert canonical_name("a" * 10_000_000) == canonical_name("a" * 2_000)


@pytest.mark.parametrize(
    ("body", "media", "query"),
    [
        ('{"user_":"demo","pass":"x"}', JSON, b""),
        ('{"user_":"demo","pass":"x"}', None, b""),
        ('{"user_":"other","pass":"x","user_":"demo"}', JSON, b""),  # the last one counts, as in Postgres
        (r'{"\u0075ser_":"d\u0065mo","pass":"x"}', JSON, b""),
        ('[{"user_":"demo","pass":"x"},{"user_":"other","pass":"x"}]', JSON, b""),
        ('{"user_":"demo","pass":"x","more":1}', JSON, b"columns=user_,pass"),
        ('[{"user_":"demo","pass":"x"}]', JSON, b"columns=%75ser_,pass"),
        ("user_=demo&pass=x", FORM, b""),
        ("user_=other&pass=x&user%5F=d%65mo", FORM, b""),
        ("user_,pass\ndemo,x\nother,x\n", b"text/csv", b""),
        ('pass,"user_"\nx,"demo"', b"text/csv; charset=utf-8", b""),
    ],
)
def test_the_name_is_read_as_postgres_reads_it(body: str, media: bytes | None, query: bytes) -> None:
    assert account(body, media, query) == "demo"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("5", "5"),
        ("1e1", "1e1"),
        ("5.00", "5.00"),
        ("-0", "-0"),
        ("9" * 5_000, "9" * 5_000),
        ("true", "true"),
        ('["a"]', '["a"]'),
    ],
)
def test_a_name_that_is_no_string_is_the_text_that_was_sent(value: str, text: str) -> None:
    """A number and the string of its digits reach the same account."""
    assert account(f'{{"user_":{value},"pass":"x"}}') == text


@pytest.mark.parametrize(
    ("body", "media", "query"),
    [
        ("{}", JSON, b""),
        ("", JSON, b""),
        ("[]", JSON, b""),
        ('"demo"', JSON, b""),
        ('{"user_":null}', JSON, b""),
        ('{"USER_":"demo"}', JSON, b""),
        ('{"user_":"demo"', JSON, b""),
        ('{"user_":"demo"}', JSON, b"columns=pass"),
        ("[1]", JSON, b"columns=user_"),
        ('{"user_":"demo"}', JSON, b"user_=demo"),
        ("pass=x", FORM, b""),
        ("user_,pass\nNULL,x", b"text/csv", b""),
        ("user_,pass", b"text/csv", b""),
        ("demo", b"text/plain", b""),
        ("demo", b"application/octet-stream", b""),
        ("demo", b"image/png", b""),
    ],
)
def test_without_a_name_there_is_no_account(body: str, media: bytes, query: bytes) -> None:
    assert account(body, media, query) is None


def test_the_argument_can_have_another_name() -> None:
    assert account('{"email":"demo","user_":"x"}', argument="email") == "demo"


@pytest.mark.parametrize(
    ("address", "networks"),
    [
        ("192.0.2.7", ["192.0.2.7"]),
        ("2001:db8:1:2:3:4:5:6", ["2001:db8:1:2::/64", "2001:db8:1::/56", "2001:db8:1::/48"]),
        ("2001:DB8:1:ff02:ffff:0:0:1", ["2001:db8:1:ff02::/64", "2001:db8:1:ff00::/56", "2001:db8:1::/48"]),
        ("fe80::1%eth0", ["fe80::/64", "fe80::/56", "fe80::/48"]),
        ("::1", ["::/64", "::/56", "::/48"]),
        ("", [""]),
        ("unknown", ["unknown"]),
    ],
)
def test_an_address_counts_for_each_network_that_one_client_may_have_all_of(
    address: str, networks: list[str]
) -> None:
    assert [network.name for network in networks_of(address)] == networks


@pytest.mark.parametrize(
    "form",
    [
        "::ffff:192.0.2.7",
        "::ffff:c000:207",
        "::FFFF:192.0.2.7%eth0",
        "::ffff:0:192.0.2.7",
        "64:ff9b::192.0.2.7",
        "64:ff9b:1::192.0.2.7",
        "64:ff9b:1:fffe::c000:207",
        "2002:c000:207::1",
        "2002:c000:207:ffff:1:2:3:4",
        "2001:0:4136:e378:8000:63bf:3fff:fdf8",
        "2001:0:1:2:0:ffff:3fff:fdf8",
    ],
)
def test_an_ipv6_address_that_stands_for_an_ipv4_address_counts_as_that(form: str) -> None:
    assert networks_of(form) == networks_of("192.0.2.7")


@pytest.mark.parametrize(
    "address", ["64:ff9b:2::192.0.2.7", "2003:c000:207::1", "2001:1::1", "::192.0.2.7", "64:ff9c::192.0.2.7"]
)
def test_what_only_looks_like_one_is_an_ipv6_address(address: str) -> None:
    assert len(networks_of(address)) == 3


def test_a_wider_network_may_spend_more_than_one_client() -> None:
    assert [network.share for network in networks_of("2001:db8::1")] == [1, 2, 4]


def test_a_key_tells_nothing_and_depends_on_the_secret() -> None:
    digest = Digests(b"secret")
    key = digest("192.0.2.7", "demo")
    assert key == digest("192.0.2.7", "demo")
    assert (
        len({key, digest("192.0.2.7", "demp"), digest("demo"), Digests(b"other")("192.0.2.7", "demo")}) == 4
    )
    assert len(key) == 32
    assert int(key, 16)
