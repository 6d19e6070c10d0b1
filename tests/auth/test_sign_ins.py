"""Which replies hold a token, in the shapes that functions use, and which set session cookies."""

import json
from collections.abc import Callable

import pytest
from core.builders import NAMES, mint

from app.auth.json_members import read_path
from app.auth.replies import Reply
from app.auth.sign_ins import Held, held_in, reports_error, signs_in
from app.core.session.cookie_names import CookieNames

TOKEN = mint()
JSON = b"application/json; charset=utf-8"
CSV = b"text/csv; charset=utf-8"
NO_TOKENS = [
    None, "", "opaque", "a.b.c", "www.example.com", "x.y", f"{TOKEN}.", f" {TOKEN}", f"Bearer {TOKEN}",
    f"{TOKEN}=", 1, True, {}, [], [TOKEN], {"token": TOKEN}, "bnVsbA.e30.eA",
    "e30.e30.eA", "eyJhbGciOjF9.e30.eA", TOKEN.rpartition(".")[0] + ".",
]  # fmt: skip


MEMBERS = [read_path(text) for text in ("token", "access_token", "accessToken", "jwt")]


def holds(reply: Reply) -> bool:
    return held_in(reply, MEMBERS) is not None


def reply(body: object, *, status: int = 200, media: bytes = JSON, cookies: tuple[bytes, ...] = ()) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, [(b"Content-Type", media), *((b"Set-Cookie", value) for value in cookies)], raw)


@pytest.mark.parametrize("member", ["token", "access_token", "accessToken", "jwt"])
@pytest.mark.parametrize(
    "shape",
    [
        lambda held: held,
        lambda held: [held],
        lambda held: [held, {"token": None}],
        lambda held: held | {"user": {"id": 1, "email": "a@b.c"}, "expires_in": 600},
        lambda held: {"error": None} | held,
        lambda held: {"error": False} | held,
    ],
)
def test_a_token_in_a_member_signs_in(member: str, shape: Callable[[dict[str, object]], object]) -> None:
    assert holds(reply(shape({member: TOKEN})))


@pytest.mark.parametrize("body", [TOKEN, [TOKEN], [TOKEN, "another"]])
def test_a_token_that_is_the_whole_body_signs_in(body: object) -> None:
    assert holds(reply(body))


@pytest.mark.parametrize(
    "body",
    [
        f"token\r\n{TOKEN}\r\n",
        f"pgrst_scalar\n{TOKEN}",
        f"id,token\n1,{TOKEN}\n2,\n",
        f'pgrst_scalar\n"{{""token"":""{TOKEN}""}}"',
    ],
)
def test_a_client_may_ask_for_csv(body: str) -> None:
    assert holds(reply(body.encode(), media=CSV))


@pytest.mark.parametrize("status", [200, 201, 202, 206, 299])
def test_any_success_may_hold_it(status: int) -> None:
    assert holds(reply({"token": TOKEN}, status=status))


@pytest.mark.parametrize("status", [300, 302, 304, 400, 401, 403, 404, 429, 500])
def test_no_other_status_signs_in(status: int) -> None:
    failed = reply({"token": TOKEN}, status=status, cookies=(b"access_token=x",))
    assert not signs_in(failed, NAMES)
    assert not holds(failed)


@pytest.mark.parametrize("value", NO_TOKENS)
def test_what_is_no_token_does_not_sign_in(value: object) -> None:
    assert not holds(reply({"token": value}))
    assert not holds(reply([{"token": value}]))


@pytest.mark.parametrize(
    "body",
    [
        None, [], [None], {}, [[]], [{}], True, 1, "welcome", "a.b.c", {"ok": True}, {"Token": TOKEN},
        {"id_token": TOKEN},
        {"error": "Invalid credentials"}, {"error": "x", "token": TOKEN}, [{"error": "x", "token": TOKEN}],
        [{"token": None}, {"token": TOKEN}], {"user": {"token": TOKEN}}, {"message": TOKEN},
        b"", b"{", TOKEN.encode(), b"\xff", b'{"token":"' + TOKEN.encode() + b'"', b"[" * 5_000, b"NaN",
    ],
    ids=lambda body: repr(body)[:40],
)  # fmt: skip
def test_other_bodies_do_not_sign_in(body: object) -> None:
    assert not holds(reply(body))


@pytest.mark.parametrize(
    "body",
    ["", "token", "token\n", "token\nopaque", f"id,note\n1,{TOKEN}", f"error,token\nno,{TOKEN}", '"token\n'],
)
def test_other_csv_does_not_sign_in(body: str) -> None:
    assert not holds(reply(body.encode(), media=CSV))


@pytest.mark.parametrize("name", [b"access_token", b"refresh_token", b"__Host-access_token"])
def test_a_session_cookie_signs_in(name: bytes) -> None:
    names = CookieNames(b"access_token", b"refresh_token", prefix=b"__Host-")
    assert signs_in(Reply(204, [(b"set-cookie", name + b"=x; Path=/")], b""), names)
    assert not signs_in(Reply(204, [(b"set-cookie", name + b"=; Path=/")], b""), names)
    assert not signs_in(Reply(204, [(b"set-cookie", name + b"=x; Max-Age=0")], b""), names)


def test_another_cookie_does_not() -> None:
    assert not signs_in(Reply(200, [(b"Set-Cookie", b"flash=wrong_password; Path=/")], b"null"), NAMES)


@pytest.mark.parametrize(
    ("body", "is_error"),
    [
        ({"error": "no"}, True),
        ([{"error": {"code": 1}}], True),
        ({"error": None}, False),
        ([], False),
        ("error", False),
    ],
)
def test_an_error_in_a_reply_is_seen(body: object, *, is_error: bool) -> None:
    assert reports_error(reply(body)) is is_error


@pytest.mark.parametrize(
    ("member", "body"),
    [
        ("data.access_token", {"data": {"access_token": TOKEN, "refresh_token": "r-1"}}),
        ("a.b.c", [{"a": {"b": {"c": TOKEN, "refreshToken": "r-1"}}}]),
        ("token", {"token": TOKEN, "refresh_token": "r-1"}),
    ],
)
def test_a_member_may_be_inside_and_the_refresh_token_is_beside_it(member: str, body: object) -> None:
    assert held_in(reply(body), [read_path(member)]) == Held(TOKEN, "r-1")


@pytest.mark.parametrize("value", [None, 7, "", "a b", "a;b", 'a"b', "a,b", "x" * 2_049, "\u00e9"])
def test_a_refresh_token_is_what_a_cookie_can_hold(value: object) -> None:
    assert held_in(reply({"token": TOKEN, "refresh_token": value}), MEMBERS) == Held(TOKEN, None)
