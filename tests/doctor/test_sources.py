"""What is read out of the source of a function, and that no source takes long."""

import time

import pytest

from app.diagnostics.doctor import sources
from app.diagnostics.doctor.cookies import read
from app.diagnostics.doctor.functions import Function
from app.diagnostics.doctor.sources import END, GAP


def of(source: str) -> Function:
    return Function(
        schema="auth",
        name="login",
        types="",
        arguments=(),
        kind="function",
        owner="auth_owner",
        is_trigger=False,
        is_definer=False,
        settings=(),
        source=source,
        grantees=(),
        callers=(),
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("select 'a' || 'b'", f"{GAP}ab"),
        ("'a' || token || 'b';", f"a{GAP}b{END}"),
        ("'it''s' -- 'no'\n|| $$ a 'b' $$", "it's a 'b' "),
        ("$x$a$$b$x$ /* 'no' */ 'c'", f"a$$b{'c'}"),
        ('"na""me"', GAP),
        ("f('a', 'b')", f"{GAP}a{GAP}b"),
        ("'open", "open"),
        ("$$open", "open"),
        ("", ""),
    ],
)
def test_quoted_text_in_a_row(source: str, text: str) -> None:
    assert sources.quoted(source) == text


def test_calls_are_names_before_a_parenthesis() -> None:
    source = """perform auth.sign (x), "Hmac"(y), 'f(z)'; -- g()
        /* h() */ values (1);
        insert into auth.refresh_token (digest) select digest(1); INSERT INTO "Jar" as j (a) values (1)"""
    assert sources.calls(source) == {"sign", "hmac", "values", "digest"}


def test_settings_are_words_with_dots_in_quotes() -> None:
    source = "current_setting('app.jwt_secret') || x.y, 'a sentence. Another', 'app.settings.b'"
    assert sources.settings(source) == {"app.jwt_secret", "app.settings.b"}


@pytest.mark.parametrize(
    ("source", "name", "path", "is_cleared", "attributes"),
    [
        ("'Set-Cookie', 'a=' || t || '; Path=/x; HttpOnly'", "a", "/x", False, {"path", "httponly"}),
        ('\'{"set-cookie": "a=; path=/; Max-Age=0"}\'', "a", "/", True, {"path", "max-age"}),
        ("""'[{"Set-Cookie": "a=' || t || '; Secure;"}]'""", "a", "/rpc", False, {"secure"}),
        ("'Set-Cookie', format('a=%s; Path=%s; Secure', t, p)", "a", "", False, {"path", "secure"}),
        ("'Set-Cookie', 'a=b; Path=' || p || '; Secure'", "a", "", False, {"path", "secure"}),
        ("'Set-Cookie', 'a=b; Max-Age=' || n || '; Secure'", "a", "/rpc", False, {"max-age", "secure"}),
        ("'Set-Cookie', 'a=gone; expires=Thu, 01 Jan 1970 00:00:00 GMT'", "a", "/rpc", True, {"expires"}),
        ("'Set-Cookie', 'a=b; Path=/', 'X-Other', 'c; Secure'", "a", "/", False, {"path"}),
        ("'Set-Cookie: a=b; Path=/' ; 'x; Secure'", "a", "/", False, {"path"}),
    ],
)
def test_a_cookie_as_it_is_written(
    *, source: str, name: str, path: str, is_cleared: bool, attributes: set[str]
) -> None:
    [cookie] = read(of(source))
    assert (cookie.name, cookie.path, cookie.is_cleared) == (name, path, is_cleared)
    assert set(cookie.attributes) == attributes


@pytest.mark.parametrize(
    "source", ["'Set-Cookie', cookie", "format('%s=%s', 'Set-Cookie', x)", "'cookie: a=b'"]
)
def test_a_cookie_that_is_put_together_from_variables_is_passed_over(source: str) -> None:
    assert list(read(of(source))) == []


def test_two_cookies_in_one_text() -> None:
    source = """'[{"Set-Cookie": "a=' || x || '; Path=/"}, {"Set-Cookie": "b=; Path=/b"}]'"""
    assert [(cookie.name, cookie.path) for cookie in read(of(source))] == [("a", "/"), ("b", "/b")]


@pytest.mark.parametrize(
    "piece",
    ["'", "/*", "$a$", "$a{0}$", '"', "a", "a ", "a.", "'a.b.'", "set-cookie", "'Set-Cookie a='", "(", " "],
)
def test_no_source_takes_long(piece: str) -> None:
    source = "".join(piece.replace("{0}", str(number)) for number in range(50_000 // len(piece)))
    began = time.process_time()
    sources.code(source), sources.calls(source), sources.settings(source)
    list(read(of(source)))
    assert time.process_time() - began < 1
