"""POSTGATE_LOGIN_URL: a path of this origin or a whole URL, and nothing that leads anywhere by surprise."""

import pytest
from harness.relay.gateway import settings_for

GOOD = [
    "/sign-in",
    "/",
    "/a/b?theme=dark&x=%20",
    "https://app.example/sign-in",
    "http://localhost:3000/",
    "https://[::1]:8443/sign-in?a=b",
]
BAD = [
    "sign-in",
    "//evil.example/",
    "/\\evil.example/",
    "https://app.example",
    "https://user@app.example/",
    "javascript:alert(1)",
    "ftp://app.example/",
    "/sign-in#form",
    "/sign in",
    "/sign-in\r\nSet-Cookie: a=b",
    "/sign-in\n",
    "/anmeldung-für-alle",
    "https:///sign-in",
    "https://app.example\\@evil.example/",
]


@pytest.mark.parametrize("url", GOOD)
def test_a_path_or_a_url_is_taken(url: str) -> None:
    assert settings_for("http://127.0.0.1:3000", login_url=url).login_url == url


@pytest.mark.parametrize("url", BAD)
def test_anything_else_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="is not a path or a URL") as refused:
        settings_for("http://127.0.0.1:3000", login_url=url)
    assert "evil" not in str(refused.value)
