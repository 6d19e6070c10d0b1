"""What pages of other origins may try with a signed-in browser, and what comes of it: nothing.

Lax cookies come along from another host or port of the same site, so there it is the gateway that refuses;
from another site the browser leaves them out, except when somebody follows a link.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from harness.browser import web
from harness.browser.visitor import Spent, Visitor, attempt
from harness.browser.web import Pages, form
from harness.site.site import Site
from playwright.sync_api import Browser, Page, Response

from browser.conftest import NewVisitor, visiting

URLENCODED = "application/x-www-form-urlencoded"
FORMS = (URLENCODED, "multipart/form-data", "text/plain")
WRITES = ("/rest/task", "/rest/rpc/finish_task", "/rpc/finish_task")
SIGN_IN = ("/rpc/login", "/rest/rpc/login")
ENDINGS = ("/rpc/logout", "/rest/rpc/logout", "/rpc/refresh_token", "/rpc/logout_all")
ALICE = {"user_": "alice", "pass": "alice"}
AUTH = {"Content-Profile": "auth"}


@dataclass(frozen=True)
class World:
    """Where the app is, and from where it is attacked."""

    app: str
    attacker: str

    @property
    def is_same_site(self) -> bool:
        return self.app.partition(".")[2] == self.attacker.partition(".")[2]

    @property
    def has_metadata(self) -> bool:
        return self.app.endswith(".localhost")


WORLDS = {
    "another-site": World(web.APP, web.STRANGER),
    "sibling": World(web.APP, web.SIBLING),
    "another-port": World(web.APP, web.APP),
    "plain-sibling": World(web.PLAIN_APP, web.PLAIN_SIBLING),
}


class Lured:
    """A victim with a tab on a page of the attacker's, and what the attacker's requests are answered."""

    def __init__(self, victim: Visitor, world: World, pages: Pages) -> None:
        self.victim = victim
        self.world = world
        self._pages = pages
        self.tab = victim.tab(origin=pages.at(world.attacker))
        self._fetch = victim.site.database.fetch
        self.answers: list[Response] = []
        victim.context.on("response", self._note)
        self.begin()

    def begin(self) -> None:
        self.answers.clear()
        self.before = self._now()

    def _note(self, answer: Response) -> None:
        if answer.url.startswith(self.victim.origin):
            self.answers.append(answer)

    def _now(self) -> list[object]:
        """Everything that an attack could change."""
        return [
            self.victim.jar,
            [tuple(row) for row in self._fetch("select * from api.task order by id")],
            [tuple(row) for row in self._fetch("select id, ended_at from auth.session order by id")],
            [
                tuple(row)
                for row in self._fetch("select digest, replaced_at from auth.refresh_token order by 1")
            ],
        ]

    @property
    def open_task(self) -> int:
        """A task that finish_task would change."""
        (row,) = self._fetch("select id from api.task where owner = 'demo' and not done order by id limit 1")
        return int(row[0])

    def show(self, body: str) -> Page:
        """Lead the victim to a page of the attacker's."""
        self.tab.goto(self._pages.at(self.world.attacker) + self._pages.add(body))
        return self.tab

    def press(self, target: str, fields: dict[str, str], enctype: str) -> Response:
        """Let the victim press the button of a form; the answer to it."""
        url = self.victim.origin + target
        tab = self.show(form(url, fields, enctype))
        with tab.expect_response(url) as answer:
            tab.click("button")
        return answer.value

    def follow(self, target: str) -> Response:
        """Let the victim follow a link; the answer to it."""
        url = self.victim.origin + target
        tab = self.show(f'<a href="{url}">Prizes</a>')
        with tab.expect_response(url) as answer:
            tab.click("a")
        return answer.value

    def attempts(self, **options: object) -> set[str]:
        """What scripts see when they post every known body everywhere."""
        self.show("")
        targets = [*WRITES, *SIGN_IN, *ENDINGS]
        return {
            attempt(self.tab, self.victim.origin + target, method="POST", **kind, **options)
            for target in targets
            for kind in bodies(self.open_task)
        }

    @property
    def statuses(self) -> set[int]:
        return {answer.status for answer in self.answers}

    def changed_nothing(self) -> bool:
        assert self._now() == self.before
        return self.victim.is_signed_in_as("demo")


def bodies(task: int) -> list[dict[str, object]]:
    json = f'{{"task_id":{task},"user_":"alice","pass":"alice"}}'
    plain, urlencoded = {"Content-Type": "text/plain"}, {"Content-Type": URLENCODED}
    return [
        {"body": json, "headers": plain},
        {"body": f"task_id={task}", "headers": urlencoded},
        {"body": "user_=alice&pass=alice", "headers": urlencoded},
        {"body": "title=forged", "headers": urlencoded},
    ]


@pytest.fixture(scope="module", params=list(WORLDS.values()), ids=list(WORLDS))
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.param
    return found


@pytest.fixture(scope="module")
def victim(browser: Browser, site: Site, world: World, pages: Pages) -> Iterator[Lured]:
    with visiting(browser, site, world.app) as somebody:
        yield Lured(somebody.sign_in(), world, pages)


@pytest.fixture
def lured(victim: Lured) -> Lured:
    victim.begin()
    return victim


class TestAForm:
    def test_changes_no_data(self, lured: Lured) -> None:
        task = str(lured.open_task)
        for target in WRITES:
            fields = {"title": "forged"} if target == "/rest/task" else {"task_id": task}
            for enctype in FORMS:
                sent = fields
                if enctype == "text/plain":  # written as `name=value`, which here is JSON with another key
                    ((name, value),) = fields.items()
                    sent = {f'{{"{name}":"{value}","x': '":1}'}
                answer = lured.press(target, sent, enctype)
                headers = answer.request.all_headers()
                assert ("cookie" in headers) == lured.world.is_same_site
                assert ("sec-fetch-site" in headers) == lured.world.has_metadata
                assert answer.status == (403 if lured.world.is_same_site else 401)
        assert lured.changed_nothing()

    def test_signs_nobody_in_as_another(self, lured: Lured) -> None:
        answers = [lured.press(target, ALICE, enctype) for target in SIGN_IN for enctype in FORMS]
        assert {answer.status for answer in answers} == {403}
        assert lured.changed_nothing()

    def test_signs_nobody_out(self, lured: Lured) -> None:
        answers = [lured.press(target, {}, URLENCODED) for target in ENDINGS]
        assert {answer.status for answer in answers} <= {401, 403}
        assert lured.changed_nothing()

    def test_signs_no_stranger_in(self, world: World, new_visitor: NewVisitor, pages: Pages) -> None:
        stranger = Lured(new_visitor(world.app), world, pages)
        assert stranger.press("/rpc/login", ALICE, URLENCODED).status == 403
        assert not stranger.victim.context.cookies()


class TestAScript:
    def test_that_wants_no_answer_changes_nothing(self, lured: Lured) -> None:
        assert lured.attempts(mode="no-cors") == {"opaque"}
        assert lured.statuses <= {401, 403}
        assert lured.changed_nothing()

    def test_that_leaves_the_page_changes_nothing(self, lured: Lured) -> None:
        lured.show("")
        for target in (*WRITES, *ENDINGS):
            with lured.tab.expect_response(lured.victim.origin + target):
                lured.tab.evaluate("(url) => navigator.sendBeacon(url, 'x=1')", lured.victim.origin + target)
        assert lured.statuses <= {401, 403}
        assert lured.changed_nothing()

    def test_that_wants_an_answer_changes_nothing_and_gets_none(self, lured: Lured) -> None:
        assert lured.attempts(mode="cors") == {"TypeError"}
        assert lured.statuses <= {401, 403}
        assert lured.changed_nothing()

    def test_cannot_send_what_needs_asking_first(self, lured: Lured) -> None:
        lured.show("")
        task = f"{lured.victim.origin}/rest/task"
        account = f"{lured.victim.origin}/rpc/logout_all"
        json = {"Content-Type": "application/json"}
        seen = [
            attempt(lured.tab, task, method="POST", body='{"title":"forged"}', headers=json),
            attempt(lured.tab, task, method="PATCH", body='{"done":true}', headers=json),
            attempt(lured.tab, task, method="DELETE"),
            attempt(lured.tab, account, method="POST", headers=AUTH),
        ]
        assert seen == ["TypeError"] * 4
        assert lured.statuses <= {403}
        assert lured.changed_nothing()

    def test_reads_nothing(self, lured: Lured) -> None:
        lured.show("")
        assert attempt(lured.tab, f"{lured.victim.origin}/rest/task") == "TypeError"
        assert attempt(lured.tab, f"{lured.victim.origin}/rest/task", mode="no-cors") == "opaque"


class TestAMereGet:
    def targets(self, lured: Lured) -> list[str]:
        return [
            *ENDINGS,
            "/rpc/login?user_=alice&pass=alice",
            f"/rpc/finish_task?task_id={lured.open_task}",
        ]

    def test_by_an_element_of_a_page_does_nothing(self, lured: Lured) -> None:
        urls = [lured.victim.origin + target for target in self.targets(lured)]
        lured.show(
            "".join(
                f'<img src="{url}"><script src="{url}"></script><iframe src="{url}"></iframe>' for url in urls
            )
        )
        assert {answer.url for answer in lured.answers} == set(urls)
        assert lured.statuses <= {401, 404, 405}
        assert lured.changed_nothing()

    def test_by_a_link_does_nothing(self, lured: Lured) -> None:
        answers = [lured.follow(target) for target in self.targets(lured)]
        assert all("cookie" in answer.request.all_headers() for answer in answers)
        assert {answer.status for answer in answers} <= {404, 405}
        assert lured.changed_nothing()


class TestALinkFromAnotherSite:
    @pytest.mark.parametrize("spent", [None, "expired", "missing"])
    def test_leads_in_signed_in(self, new_visitor: NewVisitor, pages: Pages, spent: Spent | None) -> None:
        lured = Lured(new_visitor().sign_in(), WORLDS["another-site"], pages)
        if spent is not None:
            lured.victim.spend(spent)
        assert lured.follow("/rest/task").status == 200
        assert "Look at your own tasks" in lured.tab.inner_text("body")
        assert lured.victim.is_signed_in_as("demo")
