"""POSTGATE_ISSUERS: what it accepts, and what it rejects without showing a value."""

import json
from typing import Any

import pytest
from harness.relay.gateway import settings_for

from app.settings import SettingsInvalid, load_settings
from app.settings.issuers import DEFAULT_ALGORITHMS, IssuerSetting, is_allowed_url, read_issuers

ISSUER = {"issuer": "https://id.test", "audience": "api"}


def refused(*entries: Any) -> str:
    with pytest.raises(ValueError, match=r".") as error:
        read_issuers(json.dumps(entries))
    return str(error.value)


def test_an_issuer_and_an_audience_are_enough() -> None:
    assert read_issuers(json.dumps([ISSUER])) == (
        IssuerSetting("https://id.test", ("api",), "", DEFAULT_ALGORITHMS),
    )


def test_all_members_are_read() -> None:
    entry = {"issuer": "http://localhost:8080/x", "audience": ["a", "b"], "jwks_url": "https://k.test/j"}
    (read,) = read_issuers(json.dumps([{**entry, "algorithms": ["ES256"]}]))
    assert read == IssuerSetting("http://localhost:8080/x", ("a", "b"), "https://k.test/j", ("ES256",))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"issuer": "http://id.test"}, "an issuer in entry 1 that is not a URL with https"),
        ({"issuer": None}, "an issuer in entry 1"),
        ({"issuer": "https://u:p@id.test"}, "an issuer in entry 1"),
        ({"jwks_url": "http://10.0.0.1/j"}, "a jwks_url in entry 1"),
        ({"jwks_url": ""}, "a jwks_url in entry 1"),
        ({"jwks_url": "file:///etc/passwd"}, "a jwks_url in entry 1"),
        ({"audience": []}, "no audience in entry 1"),
        ({"audience": [7]}, "no audience in entry 1"),
        ({"algorithms": ["HS256"]}, "algorithms in entry 1"),
        ({"algorithms": ["none"]}, "algorithms in entry 1"),
        ({"algorithms": []}, "algorithms in entry 1"),
        ({"audiance": "api"}, "an unknown member audiance in entry 1"),
        ({"se cret": "x"}, "an unknown member in entry 1"),
    ],
)
def test_a_wrong_member_is_refused_by_name(change: dict[str, Any], told: str) -> None:
    assert told in refused({**ISSUER, **change})


@pytest.mark.parametrize("text", ["{}", "7", "[", '[{"issuer":1,"issuer":2}]', '["https://id.test"]'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is not|has an entry 1 that is not)"):
        read_issuers(text)


def test_one_issuer_twice_is_refused() -> None:
    assert refused(ISSUER, ISSUER) == "has one issuer twice"


def test_it_is_a_setting_that_names_itself() -> None:
    environ = {"POSTGATE_DATABASE_URL": "postgresql://g@h/d", "POSTGATE_JWT_SECRET": "x" * 40}
    with pytest.raises(SettingsInvalid) as invalid:
        load_settings({**environ, "POSTGATE_ISSUERS": '[{"secret-value": 1}]'})
    (problem,) = [each for each in invalid.value.problems if "ISSUERS" in each]
    assert problem.startswith("POSTGATE_ISSUERS has an unknown member in entry 1")
    assert settings_for("http://127.0.0.1:1").issuers == ()


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://id.test", True),
        ("http://127.0.0.1:9", True),
        ("http://[::1]:9/x", True),
        ("http://localhost", True),
        ("http://localhost.evil.test", False),
        ("http://127.0.0.1.evil.test", False),
        ("http://169.254.169.254/latest", False),
        ("https://id.test/#f", False),
        ("https://", False),
        ("https://id.test:x", False),
        ("ftp://id.test", False),
    ],
)
def test_keys_come_over_https_or_from_this_machine(url: str, *, is_allowed: bool) -> None:
    assert is_allowed_url(url) is is_allowed
