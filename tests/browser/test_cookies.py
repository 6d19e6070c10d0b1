"""The session's cookies as a browser keeps them."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from harness.browser.visitor import Spent, Visitor, ask
from harness.browser.web import PLAIN_APP, SIBLING, Pages, form
from harness.site.gateways import StartGateway
from harness.site.site import Site
from playwright.sync_api import Cookie

from browser.conftest import NewVisitor

ACCESS_SECONDS = 600
REFRESH_SECONDS = 30 * 24 * 3600
PREFIXED = ("__Host-access_token", "__Host-refresh_token")


def attributes(cookie: Cookie) -> tuple[str, bool, str, bool]:
    return cookie["path"], cookie["httpOnly"], cookie["sameSite"], cookie["secure"]


@pytest.fixture(scope="module")
def secure(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    with start_gateway(site.environ, cookie_secure="always", cookie_prefix="none") as gateway:
        yield replace(site, gateway=gateway)


@pytest.fixture(scope="module")
def prefixed(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    with start_gateway(site.environ, cookie_prefix="host") as gateway:
        yield replace(site, gateway=gateway)


@pytest.fixture
def holder(new_visitor: NewVisitor, prefixed: Site) -> Visitor:
    """Somebody who has signed in where the cookies have the prefix."""
    return replace(new_visitor(at=prefixed), names=PREFIXED).sign_in()


class TestAfterLogin:
    def test_they_are_out_of_reach_of_scripts(self, visitor: Visitor) -> None:
        assert visitor.home.evaluate("document.cookie") == ""
        assert visitor.home.evaluate("cookieStore.getAll()") == []

    def test_they_are_kept_as_they_should_be(self, visitor: Visitor) -> None:
        assert {cookie["name"]: attributes(cookie) for cookie in visitor.cookies} == {
            "access_token": ("/", True, "Lax", False),
            "refresh_token": ("/", True, "Lax", False),
        }
        host = visitor.origin.removeprefix("http://").partition(":")[0]
        assert {cookie["domain"] for cookie in visitor.cookies} == {host}  # and of no name below it

    def test_they_end_when_the_tokens_do(self, visitor: Visitor) -> None:
        left = {cookie["name"]: cookie["expires"] - time.time() for cookie in visitor.cookies}
        assert ACCESS_SECONDS - 60 < left["access_token"] <= ACCESS_SECONDS
        assert REFRESH_SECONDS - 60 < left["refresh_token"] <= REFRESH_SECONDS

    def test_no_script_can_overwrite_them(self, visitor: Visitor) -> None:
        before = visitor.jar
        visitor.home.evaluate("document.cookie = 'access_token=mine; path=/'")
        visitor.home.evaluate("document.cookie = 'access_token=; path=/; max-age=0'")
        assert visitor.jar == before


class TestSecure:
    def test_they_are_secure_where_it_is_configured(self, new_visitor: NewVisitor, secure: Site) -> None:
        visitor = new_visitor(at=secure).sign_in()
        assert [cookie["secure"] for cookie in visitor.cookies] == [True, True]
        assert visitor.is_signed_in_as("demo")

    def test_they_are_then_not_kept_over_plain_http(self, new_visitor: NewVisitor, secure: Site) -> None:
        visitor = new_visitor(PLAIN_APP, at=secure).sign_in()
        assert not visitor.cookies


class TestUnderThePrefix:
    def test_a_browser_keeps_and_sends_them(self, holder: Visitor) -> None:
        assert {cookie["name"]: attributes(cookie) for cookie in holder.cookies} == dict.fromkeys(
            PREFIXED, ("/", True, "Lax", True)
        )
        assert holder.is_signed_in_as("demo")

    @pytest.mark.parametrize("spent", ["expired", "missing"])
    def test_a_spent_session_goes_on(self, holder: Visitor, spent: Spent) -> None:
        before = holder.jar
        holder.spend(spent)
        assert holder.is_signed_in_as("demo")
        assert set(holder.jar) == set(PREFIXED)
        assert all(holder.jar[name] != value for name, value in before.items())

    def test_logout_takes_them_away(self, holder: Visitor) -> None:
        holder.sign_out()
        assert not holder.context.cookies()

    def test_cookies_that_a_sibling_tosses_change_nothing(
        self, holder: Visitor, new_visitor: NewVisitor, prefixed: Site, pages: Pages
    ) -> None:
        alice = replace(new_visitor(at=prefixed), names=PREFIXED).sign_in("alice")
        before = holder.jar
        sibling = holder.tab(origin=pages.at(SIBLING))
        for name, value in alice.jar.items():
            plain = name.removeprefix("__Host-")
            for tossed in (plain, name):
                for more in ("", "; secure"):
                    sibling.evaluate(
                        "(cookie) => { document.cookie = cookie }",
                        f"{tossed}={value}; domain=example.localhost; path=/{more}",
                    )
        # The browser takes the plain names alone, and the gateway does not look at them
        assert holder.jar.keys() - before.keys() == {"access_token", "refresh_token"}
        assert {name: holder.jar[name] for name in PREFIXED} == before
        assert holder.is_signed_in_as("demo")
        holder.spend("missing")
        assert holder.is_signed_in_as("demo")


class TestTossedWithoutThePrefix:
    def test_two_sessions_choose_none(self, visitor: Visitor, new_visitor: NewVisitor, pages: Pages) -> None:
        alice = new_visitor().sign_in("alice")
        sibling = visitor.tab(origin=pages.at(SIBLING))
        cookie = f"access_token={alice.jar['access_token']}; domain=example.localhost; path=/rest"
        sibling.evaluate("(cookie) => { document.cookie = cookie }", cookie)
        answer = ask(visitor.home, "/rest/task")
        assert (answer.status, answer.json["code"]) == (401, "GW202")


class TestAForm:
    def test_of_the_same_origin_signs_in(self, new_visitor: NewVisitor, pages: Pages) -> None:
        visitor = new_visitor()
        fields = {"user_": "demo", "pass": "demo"}
        tab = visitor.tab(pages.add(form("/rpc/login", fields, "application/x-www-form-urlencoded")))
        with tab.expect_response(f"{visitor.origin}/rpc/login") as answer:
            tab.click("button")
        assert answer.value.status == 204
        assert set(visitor.jar) == {"access_token", "refresh_token"}
        assert visitor.is_signed_in_as("demo")
