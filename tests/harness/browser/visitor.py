"""Somebody's browser: tabs that share cookies and a cache."""

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Cookie, Page, Response

from harness.browser.web import EMPTY
from harness.site.site import Site

Spent = Literal["expired", "missing"]

_ASK = """async ([target, options]) => {
  const answer = await fetch(target, { ...options, signal: AbortSignal.timeout(8000) });
  return { status: answer.status, text: await answer.text(), headers: Object.fromEntries(answer.headers) };
}"""
_ATTEMPT = """async ([target, options]) => {
  try {
    const answer = await fetch(target, { ...options, signal: AbortSignal.timeout(8000) });
    return answer.type === "opaque" ? "opaque" : String(answer.status);
  } catch (error) {
    return error.name;
  }
}"""


@dataclass(frozen=True)
class Answer:
    """What a page's script was given to read."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ask(page: Page, target: str, method: str = "GET", body: object = None, **headers: str) -> Answer:
    """What the script of a page gets by fetch, cookies included; a body is sent as JSON."""
    options: dict[str, object] = {"method": method, "credentials": "include"}
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        options["body"] = json.dumps(body)
        fields["Content-Type"] = "application/json"
    return Answer(**page.evaluate(_ASK, [target, {**options, "headers": fields}]))


def attempt(page: Page, target: str, **options: object) -> str:
    """The same of a page that may not: the status if its script sees one, else `opaque` or the error."""
    return str(page.evaluate(_ATTEMPT, [target, {"credentials": "include", **options}]))


@dataclass
class Visitor:
    context: BrowserContext
    site: Site
    origin: str  # of the gateway, as this browser is told to call it
    names: tuple[str, str] = ("access_token", "refresh_token")
    cookies_at_sign_in: list[Cookie] = field(default_factory=list)

    def tab(self, path: str = EMPTY, *, origin: str | None = None) -> Page:
        page = self.context.new_page()
        page.goto((origin or self.origin) + path)
        return page

    @cached_property
    def home(self) -> Page:
        """A tab that stays open at the gateway's origin."""
        return self.tab()

    def sign_in(self, name: str = "demo") -> "Visitor":
        assert ask(self.home, "/rpc/login", "POST", {"user_": name, "pass": name}).status == 204
        self.cookies_at_sign_in = self.cookies
        return self

    def sign_out(self) -> None:
        assert ask(self.home, "/rpc/logout", "POST").status == 204

    @property
    def cookies(self) -> list[Cookie]:
        """The cookies that this browser would send to the gateway."""
        return self.context.cookies(self.origin)

    @property
    def jar(self) -> dict[str, str]:
        """Their values by name."""
        return {cookie["name"]: cookie["value"] for cookie in self.cookies}

    @property
    def session(self) -> str:
        """The session that the access cookie of the last sign-in belongs to."""
        (token,) = (each["value"] for each in self.cookies_at_sign_in if each["name"] == self.names[0])
        payload = token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sid"])

    def spend(self, how: Spent) -> None:
        """Make the access cookie a spent one: dropped at its age, or sent by a clock that is behind."""
        self.context.clear_cookies(name=self.names[0])
        if how == "expired":
            self.keep(self.names[0], self.site.token(seconds=-1, sid=self.session))

    def keep(self, name: str, value: str) -> None:
        """Put a cookie for the gateway's host alone into the browser, as if it had come by https."""
        host = urlsplit(self.origin).hostname
        secure = name.startswith("__Host-")
        cookie = {"name": name, "value": value, "url": f"https://{host}/", "path": "/", "secure": secure}
        developer = self.context.new_cdp_session(self.home)
        developer.send("Network.setCookie", {**cookie, "httpOnly": True, "sameSite": "Lax"})
        developer.detach()

    def is_signed_in_as(self, name: str) -> bool:
        answer = ask(self.home, "/rest/rpc/whoami")
        return answer.status == 200 and bool(answer.json["username"] == name)


@contextmanager
def expect_answers(tabs: Sequence[Page], url: str) -> Iterator[list[Response]]:
    """The next answer that each of the tabs gets from a URL; all are there when the block ends."""
    answers: list[Response] = []
    with ExitStack() as stack:
        expected = [stack.enter_context(tab.expect_response(url)) for tab in tabs]
        yield answers
    answers.extend(each.value for each in expected)
