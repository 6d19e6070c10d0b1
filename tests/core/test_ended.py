"""Ended sessions: their access tokens are refused from then on, at every look."""

import pytest

from app.core.admission import Admission
from app.core.http.forwarding import Client
from app.core.known_heads import admit_known, known_head
from app.core.session.revocations import Revocations
from app.errors import RevocationsUnavailable, TokenRejected

from .builders import NOW, gateway, mint, request, verifier

LATER = NOW + 660
CLIENT = Client("198.51.100.7", "https", b"gw.test", b"")


def test_an_ended_session_is_refused_though_its_token_was_good_and_is_remembered() -> None:
    ended = Revocations()
    judge = verifier(revocations=ended)
    mine, other = mint(sid="s-1").encode(), mint(sid="s-2").encode()
    assert (judge.verify(mine, NOW).session, judge.verify(other, NOW).session) == ("s-1", "s-2")
    ended.revoke("s-1", LATER)
    with pytest.raises(TokenRejected) as refused:
        judge.verify(mine, NOW)
    assert refused.value.reason == "session ended"
    assert judge.verify(other, NOW).session == "s-2"


def test_a_head_that_comes_again_is_not_admitted_again() -> None:
    ended = Revocations()
    gate = gateway(verifier=verifier(revocations=ended))
    fields = (f"Cookie: access_token={mint(sid='s-1')}",)
    head = request("GET /rest/items", *fields)
    tail = "".join(f"{name.decode()}: {value.decode()}\r\n" for name, value in head.headers)
    data = f"GET /rest/items HTTP/1.1\r\n{tail}\r\n".encode()
    earlier = known_head(head, gate.decide(head, NOW), data)
    assert earlier is not None
    assert admit_known(gate, earlier, data, head.peer, b"id-2", NOW) is not None
    ended.revoke("s-1", LATER)
    assert admit_known(gate, earlier, data, head.peer, b"id-3", NOW) is None


@pytest.mark.parametrize("sid", [None, 7, ["s-1"], {"s-1": 1}, True])
def test_a_token_of_another_issuer_without_a_session_is_none_that_ends(sid: object) -> None:
    ended = Revocations()
    ended.revoke("s-1", LATER)
    assert verifier(revocations=ended).verify(mint(sid=sid).encode(), NOW).session is None


def test_one_is_forgotten_when_no_token_of_it_can_be_valid() -> None:
    ended = Revocations()
    ended.revoke("s-1", LATER)
    ended.revoke("s-2", LATER + 1)
    ended.revoke("s-2", LATER)  # said again, by an older list: the later time stands
    ended.drop_expired(LATER)
    assert ("s-1" in ended, "s-2" in ended, len(ended)) == (False, True, 1)


class TestWithoutNews:
    def test_serving_goes_on_with_what_is_known(self) -> None:
        ended = Revocations()
        ended.revoke("s-1", LATER)
        ended.disconnected()
        judge = verifier(revocations=ended)
        assert judge.verify(mint(sid="s-2").encode(), NOW).session == "s-2"
        with pytest.raises(TokenRejected):
            judge.verify(mint(sid="s-1").encode(), NOW)

    def test_or_every_session_is_refused_until_the_news_is_back(self) -> None:
        ended = Revocations(refuse_unknown=True)
        judge = verifier(revocations=ended)
        token = mint(sid="s-2").encode()
        with pytest.raises(RevocationsUnavailable):
            judge.verify(token, NOW)
        assert judge.verify(mint().encode(), NOW).session is None
        ended.connected()
        verified = judge.verify(token, NOW)
        ended.disconnected()
        assert not judge.is_live(verified, NOW)
        assert not judge.why_over(verified, NOW)


def session(gate: Admission, *fields: str) -> str | None:
    """The session of a request of the app lane."""
    token = gate.token_of(request("POST /rpc/logout", *fields).headers, CLIENT, NOW)
    return None if token is None else token.session


class TestASessionThatEndsHere:
    """Who signs out is signed out with the answer: the news by way of the database comes a moment later."""

    FIELDS = ("Cookie: theme=dark", f"Cookie: access_token={mint(sid='s-1')}")

    def test_its_tokens_are_refused_at_once(self) -> None:
        gate = gateway()
        assert gate.decide(request("GET /rest/items", *self.FIELDS), NOW)
        assert session(gate, *self.FIELDS) == "s-1"
        gate.verifier.revoke("s-1", NOW)
        with pytest.raises(TokenRejected):
            gate.decide(request("GET /rest/items", *self.FIELDS), NOW)
        assert gate.decide(request("GET /rest/items", f"Cookie: access_token={mint(sid='s-2')}"), NOW)
        assert session(gate, *self.FIELDS) is None

    def test_a_bearer_token_tells_the_session_where_there_is_no_cookie(self) -> None:
        bearer = f"Authorization: Bearer {mint(sid='s-2')}"
        gate = gateway()
        assert session(gate, bearer) == "s-2"
        assert session(gate, bearer, *self.FIELDS) == "s-1"

    @pytest.mark.parametrize(
        "token", ["", "a.b.c", mint(), mint(sid="s-1", exp=NOW - 1), f"{mint(sid='s-1')}; access_token=x"]
    )
    def test_a_token_that_is_not_good_tells_none(self, token: str) -> None:
        gate = gateway()
        assert session(gate, f"Cookie: access_token={token}") is None
        assert session(gate) is None
