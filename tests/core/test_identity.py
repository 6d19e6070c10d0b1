"""Identity headers: an upstream that asked for it is told who asks, and nobody else can tell it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.admission import Admission
from app.core.http.routing import Policy

from .builders import NOW, REST, decide, gateway, mint, router, session, verifier
from .properties import tried


def told(policy: Policy = Policy.REQUIRED) -> Admission:
    return gateway(router=router(replace(REST, identity=True, policy=policy)))


def test_the_upstream_is_told_the_subject_and_the_role() -> None:
    head = decide("GET /rest/items", session(mint()), gate=told()).head
    assert head.count(b"\r\nX-Auth-Subject: u1\r\nX-Auth-Role: web\r\n") == 1


def test_a_route_that_did_not_ask_for_it_is_not_told() -> None:
    assert b"X-Auth" not in decide("GET /rest/items", session(mint())).head


def test_what_a_client_tells_about_itself_is_dropped() -> None:
    claims = (
        "X-Auth-Subject: admin",
        "X-Auth-Role: postgres",
        "X_Auth_Role: postgres",
        "Connection: x-auth-role",
    )
    head = decide("GET /rest/items", session(mint()), *claims, gate=told()).head
    assert b"admin" not in head
    assert b"postgres\r\n" not in head
    assert b"\r\nX-Auth-Role: web\r\n" in head
    assert b"uth" not in decide("GET /rest/items", *claims[:3], gate=told(Policy.OPTIONAL)).head


@pytest.mark.parametrize(
    ("subject", "line"),
    [
        (None, b""),
        ("zoë@gw.test", b"zo%C3%AB@gw.test"),
        ("a b", b"a%20b"),
        ("100%", b"100%25"),
        ("a/b?c=d&e;f,g", b"a/b?c=d&e;f,g"),
        ('"quoted"', b'"quoted"'),
        ("😀", b"%F0%9F%98%80"),
    ],
)
def test_text_beyond_ascii_is_escaped_and_the_rest_stays_readable(subject: str | None, line: bytes) -> None:
    token = verifier().verify(
        mint(sub=subject).encode() if subject else mint({"role": "web", "exp": NOW + 1}).encode(), NOW
    )
    assert token.identity == b"X-Auth-Subject: %b\r\nX-Auth-Role: web\r\n" % line


@tried
@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1), st.text(max_size=5))
def test_two_subjects_are_never_told_alike_and_no_header_is_broken_out_of(one: str, other: str) -> None:
    token = verifier().verify(mint(sub=one).encode(), NOW)
    assert token.identity.count(b"\r\n") == token.identity.count(b"\n") == token.identity.count(b"\r") == 2
    assert token.identity.isascii()
    if other != one:
        assert replace(token, subject=other).identity != token.identity
