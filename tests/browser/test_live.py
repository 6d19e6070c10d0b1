"""WebSockets of a page, through a route that wants a session."""

import pytest
from harness.browser.visitor import Spent, Visitor
from harness.browser.web import LIVE, SIBLING, STRANGER, Pages
from playwright.sync_api import Page

from browser.conftest import NewVisitor

CUT_MILLISECONDS = 1_000
OPEN = """(url) => new Promise((resolve) => {
  const socket = window.socket = new WebSocket(url);
  socket.onmessage = (message) => resolve(message.data);
  socket.onopen = () => socket.send("hello");
  socket.onclose = () => { window.cutAt = Date.now(); resolve("closed"); };
  setTimeout(() => resolve("silent"), 8000);
})"""
LOG_OUT = """async () => {
  const answer = await fetch("/rpc/logout", { method: "POST", signal: AbortSignal.timeout(8000) });
  return [answer.status, Date.now()];
}"""


def open_socket(page: Page, visitor: Visitor) -> str:
    """Say hello on a WebSocket: what comes back, or `closed`."""
    return str(page.evaluate(OPEN, visitor.origin.replace("http", "ws", 1) + LIVE))


def cut_at(page: Page) -> int:
    """When its WebSocket was closed, in milliseconds."""
    return int(page.wait_for_function("window.cutAt").json_value())


@pytest.mark.parametrize("spent", ["expired", "missing"])
def test_one_opens_with_a_spent_session_and_renews_it(visitor: Visitor, spent: Spent) -> None:
    before = visitor.jar
    visitor.spend(spent)
    assert open_socket(visitor.home, visitor) == "hello"
    assert all(visitor.jar[name] != value for name, value in before.items())
    assert visitor.is_signed_in_as("demo")


@pytest.mark.parametrize("spent", [None, "expired"])
def test_it_is_cut_within_a_second_when_another_tab_logs_out(visitor: Visitor, spent: Spent | None) -> None:
    tab = visitor.tab()
    if spent is not None:
        visitor.spend(spent)
    assert open_socket(tab, visitor) == "hello"
    status, at = visitor.home.evaluate(LOG_OUT)
    assert status == 204
    assert cut_at(tab) < at + CUT_MILLISECONDS


def test_that_of_another_session_goes_on(visitor: Visitor, new_visitor: NewVisitor) -> None:
    other = new_visitor().sign_in()
    tab = visitor.tab()
    assert open_socket(other.home, other) == "hello"
    assert open_socket(tab, visitor) == "hello"
    visitor.sign_out()
    assert cut_at(tab)
    assert other.home.evaluate("socket.readyState") == 1


def test_without_a_session_none_opens(new_visitor: NewVisitor) -> None:
    nobody = new_visitor()
    assert open_socket(nobody.home, nobody) == "closed"


@pytest.mark.parametrize("host", [STRANGER, SIBLING])
def test_pages_of_other_origins_open_none(visitor: Visitor, pages: Pages, host: str) -> None:
    assert open_socket(visitor.tab(origin=pages.at(host)), visitor) == "closed"
