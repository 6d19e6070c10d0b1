"""CORS as browsers do it: scripts of a trusted origin work with the API and read its refusals, no others."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from harness.browser.visitor import Spent, Visitor, ask, attempt
from harness.browser.web import FAR_FRIEND, FRIEND, SIBLING, Pages
from harness.site.gateways import StartGateway
from harness.site.site import Site
from playwright.sync_api import Browser, Page

from browser.conftest import NewVisitor, visiting

RIGHT = {"user_": "demo", "pass": "demo"}
WRONG = {"user_": "demo", "pass": "wrong"}


@pytest.fixture(scope="module")
def member(browser: Browser, site: Site) -> Iterator[Visitor]:
    """Somebody who is signed in, and stays so."""
    with visiting(browser, site) as somebody:
        yield somebody.sign_in()


@pytest.fixture(scope="module")
def friend(member: Visitor, pages: Pages) -> Page:
    """A page of a trusted origin on the same site, in the member's browser."""
    return member.tab(origin=pages.at(FRIEND))


@pytest.fixture(scope="module")
def foreign(member: Visitor, pages: Pages) -> Page:
    """A page of an origin that is not trusted, on the same site, in the same browser."""
    return member.tab(origin=pages.at(SIBLING))


class TestATrustedOrigin:
    def test_reads_with_the_session(self, member: Visitor, friend: Page) -> None:
        answer = ask(friend, f"{member.origin}/rest/task", Prefer="count=exact")
        assert {row["owner"] for row in answer.json} == {"demo"}
        assert answer.status == 200
        assert answer.headers["content-range"] == f"0-{len(answer.json) - 1}/{len(answer.json)}"
        assert answer.headers["preference-applied"] == "count=exact"
        assert answer.headers["x-request-id"]

    def test_writes_with_the_session(self, member: Visitor, friend: Page) -> None:
        tasks = f"{member.origin}/rest/task"
        made = ask(friend, tasks, "POST", {"title": "from a friend"}, Prefer="return=headers-only")
        assert made.status == 201
        place = member.origin + made.headers["location"]
        assert ask(friend, place, "PATCH", {"done": True}).status == 204
        assert ask(friend, place, "DELETE").status == 204

    @pytest.mark.parametrize("spent", ["expired", "missing"])
    def test_is_renewed(self, new_visitor: NewVisitor, pages: Pages, spent: Spent) -> None:
        visitor = new_visitor().sign_in()
        friend = visitor.tab(origin=pages.at(FRIEND))
        visitor.spend(spent)
        assert ask(friend, f"{visitor.origin}/rest/task", Prefer="count=exact").status == 200
        assert visitor.is_signed_in_as("demo")

    def test_signs_in_and_out(self, new_visitor: NewVisitor, pages: Pages) -> None:
        visitor = new_visitor()
        friend = visitor.tab(origin=pages.at(FRIEND))
        # A preflight goes first, and browsers send no cookie with it
        assert (
            ask(friend, f"{visitor.origin}/rpc/login", "POST", {"user_": "demo", "pass": "demo"}).status
            == 204
        )
        assert ask(friend, f"{visitor.origin}/rest/task").status == 200
        assert ask(friend, f"{visitor.origin}/rpc/logout", "POST").status == 204
        assert not visitor.context.cookies()

    def test_uses_the_account_functions(self, member: Visitor, friend: Page) -> None:
        answer = ask(friend, f"{member.origin}/rpc/sessions", "POST", Content_Profile="auth")
        assert [row["is_current"] for row in answer.json].count(True) == 1

    def test_asks_who_is_signed_in(self, member: Visitor, friend: Page) -> None:
        answer = ask(friend, f"{member.origin}/rpc/me", "POST", Content_Profile="auth")
        assert (answer.json["username"], answer.json["role"]) == ("demo", "basic_subscriber")


class TestARefusalIsReadable:
    def test_without_a_session(self, new_visitor: NewVisitor, pages: Pages) -> None:
        visitor = new_visitor()
        friend = visitor.tab(origin=pages.at(FRIEND))
        answer = ask(friend, f"{visitor.origin}/rest/task", Prefer="count=exact")
        assert (answer.status, answer.json["code"]) == (401, "GW200")
        answer = ask(friend, f"{visitor.origin}/rpc/login", "POST", WRONG)
        assert (answer.status, answer.json["message"]) == (401, "Invalid user or password")

    def test_on_another_site_where_no_cookie_goes(self, member: Visitor, pages: Pages) -> None:
        far = member.tab(origin=pages.at(FAR_FRIEND))
        answer = ask(far, f"{member.origin}/rest/task")
        assert (answer.status, answer.json["code"]) == (401, "GW200")

    def test_where_the_role_may_not(self, member: Visitor, friend: Page) -> None:
        answer = ask(friend, f"{member.origin}/rest/notice", "POST", {"body": "mine"})
        assert (answer.status, answer.json["code"]) == (403, "42501")

    def test_of_the_gateways_own(self, member: Visitor, friend: Page) -> None:
        answer = ask(friend, f"{member.origin}/nowhere")
        assert (answer.status, answer.json["code"]) == (404, "GW105")

    def test_of_too_many_tries(
        self, site: Site, start_gateway: StartGateway, new_visitor: NewVisitor, pages: Pages
    ) -> None:
        with start_gateway(site.environ, login_limit_pair="1/hour") as gateway:
            visitor = new_visitor(at=replace(site, gateway=gateway))
            friend = visitor.tab(origin=pages.at(FRIEND))
            answers = [ask(friend, f"{visitor.origin}/rpc/login", "POST", WRONG) for _ in range(2)]
        assert [answer.status for answer in answers] == [401, 429]
        assert answers[1].json["code"] == "GW203"
        assert 0 < int(answers[1].headers["retry-after"]) <= 3601  # rounded up


class TestAnUntrustedOrigin:
    @pytest.mark.parametrize("target", ["/rest/task", "/rest/notice", "/rest/", "/nowhere", "/rpc/logout"])
    def test_reads_neither_answers_nor_refusals(self, member: Visitor, foreign: Page, target: str) -> None:
        assert attempt(foreign, member.origin + target, mode="no-cors") == "opaque"  # it does arrive
        assert attempt(foreign, member.origin + target) == "TypeError"

    def test_is_told_no_when_it_asks_first(self, member: Visitor, foreign: Page) -> None:
        with_count = {"headers": {"Prefer": "count=exact"}}
        assert attempt(foreign, f"{member.origin}/rest/task", **with_count) == "TypeError"
