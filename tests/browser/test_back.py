"""The Back button after logout: what a browser kept of an answer is not shown to whoever comes next."""

from collections.abc import Iterator

import pytest
from harness.browser.visitor import Spent, Visitor
from harness.browser.web import EMPTY
from harness.site.site import Site
from playwright.sync_api import Browser, Playwright

from browser.conftest import RESOLVER, visiting

SIGNED_IN = "Look at your own tasks"


@pytest.fixture(scope="module")
def resuming(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """A browser that keeps left pages alive, as people's do: playwright switches that off."""
    with playwright.chromium.launch(
        executable_path=chromium, args=[RESOLVER], ignore_default_args=["--disable-back-forward-cache"]
    ) as launched:
        yield launched


def go_back(visitor: Visitor, *, spent: Spent | None = None, sign_out: bool) -> str:
    """Read an API document, leave it, and come back: what is shown then."""
    tab = visitor.tab()
    if spent is not None:
        visitor.spend(spent)
    tab.goto(f"{visitor.origin}/rest/task")
    assert SIGNED_IN in tab.inner_text("body")
    tab.goto(visitor.origin + EMPTY)
    if sign_out:
        visitor.sign_out()
    tab.evaluate("setTimeout(() => history.back())")
    tab.wait_for_function("location.pathname === '/rest/task' && document.readyState === 'complete'")
    return str(tab.evaluate("document.body.innerText"))


@pytest.mark.parametrize("spent", [None, "missing"])
def test_the_cache_shows_nothing_of_a_session_that_is_over(visitor: Visitor, spent: Spent | None) -> None:
    assert "Sign in to continue" in go_back(visitor, spent=spent, sign_out=True)


@pytest.mark.parametrize("spent", [None, "missing"])
def test_while_signed_in_one_comes_back_to_what_one_saw(visitor: Visitor, spent: Spent | None) -> None:
    assert SIGNED_IN in go_back(visitor, spent=spent, sign_out=False)


class TestWherePagesAreKeptAlive:
    def test_an_answer_that_renewed_is_asked_for_again(self, resuming: Browser, site: Site) -> None:
        with visiting(resuming, site) as visitor:
            assert "Sign in to continue" in go_back(visitor.sign_in(), spent="missing", sign_out=True)

    def test_any_other_is_too(self, resuming: Browser, site: Site) -> None:
        with visiting(resuming, site) as visitor:
            assert "Sign in to continue" in go_back(visitor.sign_in(), sign_out=True)
