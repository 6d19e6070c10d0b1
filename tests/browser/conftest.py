"""A real browser, and a gateway that serves plain pages beside the API, so that both share an origin."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

import pytest
from harness.browser.visitor import Visitor
from harness.browser.web import APP, FAR_FRIEND, FRIEND, LIVE, PREFIX, Pages, serve_echo, serve_pages
from harness.site.gateways import StartGateway, new_gateway, start_gateway
from harness.site.site import Site, running_site
from playwright.sync_api import Browser, Playwright, sync_playwright

from app.devstack import DevStack

__all__ = ["new_gateway", "start_gateway"]

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")  # the lightest first
MILLISECONDS = 8_000
# Every name is this machine, and nothing is looked up anywhere
RESOLVER = "--host-resolver-rules=MAP * 127.0.0.1"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's Chromium; playwright is never asked to fetch one."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="package")
def playwright(chromium: str) -> Iterator[Playwright]:
    """Its event loop runs in this thread, so it ends before other tests want one of their own."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    with playwright.chromium.launch(executable_path=chromium, args=[RESOLVER]) as launched:
        yield launched


@pytest.fixture(scope="session")
def pages() -> Iterator[Pages]:
    with serve_pages() as served:
        yield served


@pytest.fixture(scope="session")
def echo_port() -> Iterator[int]:
    with serve_echo() as port:
        yield port


@pytest.fixture(scope="session")
def site(stack: DevStack, start_gateway: StartGateway, pages: Pages, echo_port: int) -> Iterator[Site]:
    """A gateway with pages and a WebSocket beside the API, on a database of its own."""
    routes = [
        f"{PREFIX} http://127.0.0.1:{pages.port} none",
        f"{LIVE} http://127.0.0.1:{echo_port} required websocket strip",
    ]
    friends = f"{pages.at(FRIEND)},{pages.at(FAR_FRIEND)}"
    with running_site(stack, start_gateway, routes=", ".join(routes), trusted_origins=friends) as running:
        yield running


class NewVisitor(Protocol):
    """Opens a browser profile of its own for a visitor of a host name (of another gateway than `site`'s)."""

    def __call__(self, host: str = APP, *, at: Site | None = None) -> Visitor: ...


@contextmanager
def visiting(browser: Browser, site: Site, host: str = APP) -> Iterator[Visitor]:
    with browser.new_context() as context:
        context.set_default_timeout(MILLISECONDS)
        yield Visitor(context, site, f"http://{host}:{site.gateway.port}")


@pytest.fixture
def new_visitor(browser: Browser, site: Site) -> Iterator[NewVisitor]:
    with ExitStack() as stack:

        def new(host: str = APP, *, at: Site | None = None) -> Visitor:
            return stack.enter_context(visiting(browser, at or site, host))

        yield new


@pytest.fixture
def visitor(browser: Browser, site: Site) -> Iterator[Visitor]:
    """Somebody who has signed in as demo, in a browser of their own."""
    with visiting(browser, site) as somebody:
        yield somebody.sign_in()
