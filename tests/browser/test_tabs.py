"""Many tabs of one browser share a session: it goes on in all of them, and ends in all of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from harness.browser.locks import session_held
from harness.browser.visitor import Spent, Visitor, ask, expect_answers
from harness.browser.web import TASKS
from playwright.sync_api import Page, Request

TABS = 10
CONNECTIONS = 6  # that Chromium opens to one host at most
ROUNDS = 3
TOKENS = """
select count(*) filter (where replaced_at is not null), count(*) filter (where replaced_at is null)
  from auth.refresh_token where family = $1::uuid and expires_at > now()
"""

Send = Callable[[Page], object]


@pytest.fixture(params=["expired", "missing"])
def spent(request: pytest.FixtureRequest) -> Spent:
    how: Spent = request.param
    return how


def tokens(visitor: Visitor) -> tuple[int, int]:
    """How many refresh tokens of the session were used, and how many are good."""
    (row,) = visitor.site.database.fetch(TOKENS, visitor.session)
    return row[0], row[1]


@contextmanager
def expect_requests(visitor: Visitor, count: int) -> Iterator[None]:
    """Wait at the end of the block until the tabs have asked for something of the API that often."""
    seen: list[Request] = []

    def is_last(request: Request) -> bool:
        if "/rest/" in request.url:
            seen.append(request)
        return len(seen) == count

    with visitor.context.expect_event("request", is_last):
        yield


def all_at_once(visitor: Visitor, tabs: list[Page], send: Send, *, asking: int) -> list[int]:
    """Let all tabs send while the session cannot be renewed, until so many ask; the statuses they get."""
    with (
        expect_answers(tabs, f"{visitor.origin}/rest/**") as answers,
        session_held(visitor.site.database, visitor.session),
        expect_requests(visitor, asking),
    ):
        for tab in tabs:
            send(tab)
    return [answer.status for answer in answers]


def reload(tab: Page) -> None:
    tab.evaluate("setTimeout(() => location.reload())")


def ask_again(tab: Page) -> None:
    tab.evaluate("fetch(location.search.slice(1)); null")


class TestTenTabs:
    def test_that_are_reloaded_with_a_spent_session_all_go_on(self, visitor: Visitor, spent: Spent) -> None:
        tabs = [visitor.tab(TASKS) for _ in range(TABS)]
        for number in range(1, ROUNDS + 1):
            visitor.spend(spent)
            # The others cannot even load their page while these wait
            assert all_at_once(visitor, tabs, reload, asking=CONNECTIONS) == [200] * TABS
            assert tokens(visitor) == (number, 1)
        assert visitor.is_signed_in_as("demo")

    def test_that_wake_up_with_a_spent_session_all_go_on(self, visitor: Visitor, spent: Spent) -> None:
        tabs = [visitor.tab(f"{TASKS}?/rest/task?limit={100 + number}") for number in range(TABS)]
        for number in range(1, ROUNDS + 1):
            visitor.spend(spent)
            assert all_at_once(visitor, tabs, ask_again, asking=TABS) == [200] * TABS
            assert tokens(visitor) == (number, 1)
        assert visitor.is_signed_in_as("demo")

    def test_whose_clock_is_right_spend_nothing(self, visitor: Visitor) -> None:
        tabs = [visitor.tab(TASKS) for _ in range(TABS)]
        with expect_answers(tabs, f"{visitor.origin}/rest/**") as answers:
            for tab in tabs:
                reload(tab)
        assert [answer.status for answer in answers] == [200] * TABS
        assert tokens(visitor) == (0, 1)


class TestATabThatSlept:
    def test_wakes_with_a_large_write_and_all_of_it_arrives(self, visitor: Visitor, spent: Spent) -> None:
        tab = visitor.tab()
        visitor.spend(spent)
        answer = ask(tab, "/rest/rpc/length_of", "POST", {"body": "x" * 300_000})
        assert (answer.status, answer.json) == (200, 300_000)
        assert tokens(visitor) == (1, 1)

    def test_follows_a_link_and_is_signed_in(self, visitor: Visitor, spent: Spent) -> None:
        tab = visitor.tab()
        visitor.spend(spent)
        tab.goto(f"{visitor.origin}/rest/task")
        assert "Look at your own tasks" in tab.inner_text("body")
        assert tokens(visitor) == (1, 1)

    def test_keeps_the_new_cookies_out_of_reach_of_scripts(self, visitor: Visitor, spent: Spent) -> None:
        tab = visitor.tab()
        before = visitor.jar
        visitor.spend(spent)
        assert ask(tab, "/rest/task").status == 200
        assert all(visitor.jar[name] != value for name, value in before.items())
        assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in visitor.cookies)
        assert tab.evaluate("document.cookie") == ""


class TestLogout:
    def test_in_one_tab_signs_out_all_tabs(self, visitor: Visitor) -> None:
        tabs = [visitor.tab(TASKS) for _ in range(4)]
        assert ask(tabs[0], "/rpc/logout", "POST").status == 204
        assert [ask(tab, "/rest/task").status for tab in tabs] == [401] * 4
        assert not visitor.context.cookies()

    def test_ends_a_session_that_another_tab_is_about_to_renew(self, visitor: Visitor, spent: Spent) -> None:
        tabs = [visitor.tab(TASKS) for _ in range(4)]
        visitor.spend(spent)
        assert ask(tabs[0], "/rpc/logout", "POST").status == 204
        assert [ask(tab, "/rest/task").status for tab in tabs] == [401] * 4
        assert not visitor.context.cookies()

    def test_makes_a_copied_access_token_useless_at_once(self, visitor: Visitor) -> None:
        copied = visitor.jar["access_token"]

        def status() -> int:
            bearer = {"Authorization": f"Bearer {copied}"}
            return httpx.get(f"{visitor.site.url}/rest/task", headers=bearer, trust_env=False).status_code

        assert status() == 200
        visitor.sign_out()
        assert status() == 401

    def test_leaves_another_browser_of_the_same_user_signed_in(
        self, visitor: Visitor, new_visitor: Callable[[], Visitor]
    ) -> None:
        other = new_visitor().sign_in()
        visitor.sign_out()
        assert other.is_signed_in_as("demo")

    def test_then_somebody_else_may_sign_in_here(self, visitor: Visitor) -> None:
        tab = visitor.tab(TASKS)
        visitor.sign_out()
        visitor.sign_in("alice")
        assert {row["owner"] for row in ask(tab, "/rest/task").json} == {"alice"}
