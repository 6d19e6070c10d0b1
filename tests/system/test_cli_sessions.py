"""`postgate session` and `postgate user logout`: who is signed in, and the end of it."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from harness.relay.deadlines import wait_until
from harness.sessions import BEGIN_SESSION
from harness.site.console import PASSWORD, Console, QuickConsole, Result
from harness.site.curl import Curl
from harness.site.gateways import StartGateway

from app.devstack import Database, DevStack

NAMES = ["ID", "USERNAME", "SUBJECT", "SINCE", "LAST SEEN", "ADDRESS", "USER AGENT"]
NO_SUCH_USER = "There is no such user.\n"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CREDENTIALS = ("-H", "Content-Type: application/json", "-d", '{"user_":"demo","pass":"demo"}')


class Owner:
    """The verbs, as the owner of one database."""

    def __init__(self, console: Console, database: Database) -> None:
        self.console = console
        self.database = database

    def __call__(self, *arguments: str) -> Result:
        return self.console(*arguments, owner_database_url=self.database.owner_dsn)

    def rows(self, *arguments: str) -> list[dict[str, str]]:
        """What is listed, by the names of the columns."""
        shown = self("session", "list", *arguments)
        assert (shown.status, shown.stderr) == (0, "")
        head, *lines = shown.stdout.splitlines()
        starts = [head.index(name) for name in NAMES]
        ends = [*starts[1:], None]
        cells = [[line[start:end].strip() for start, end in zip(starts, ends, strict=True)] for line in lines]
        return [dict(zip(NAMES, row, strict=True)) for row in cells]

    def begin(self, username: str, *, address: str | None = None, user_agent: str | None = None) -> str:
        """A session, made as a login makes it. Its id."""
        [made] = self.database.fetch(BEGIN_SESSION, username)
        self.database.fetch(
            "update auth.session set address = $2, user_agent = $3 where id = $1::uuid",
            made["session"],
            address,
            user_agent,
        )
        return str(made["session"])


@pytest.fixture
def owner(environ: Mapping[str, str], database: Database) -> Owner:
    return Owner(QuickConsole(environ), database)


# --- list


def test_a_list_has_every_open_session_with_where_it_is_from(owner: Owner) -> None:
    phone = owner.begin("demo", address="2001:db8::7", user_agent=FIREFOX)
    plain = owner.begin("alice")
    alice, demo = owner.rows()
    assert (alice["ID"], alice["USERNAME"], alice["ADDRESS"], alice["USER AGENT"]) == (
        plain,
        "alice",
        "-",
        "-",
    )
    assert (demo["ID"], demo["USERNAME"], demo["ADDRESS"]) == (phone, "demo", "2001:db8::7")
    assert demo["USER AGENT"] == FIREFOX[:59] + "…"
    ids = {str(row["id"]) for row in owner.database.fetch("select id from auth.user")}
    assert {alice["SUBJECT"], demo["SUBJECT"]} == ids
    for column in ("SINCE", "LAST SEEN"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\dZ", demo[column])


def test_a_session_without_a_user_is_listed_last_by_its_subject_and_ended_by_its_id(owner: Owner) -> None:
    owner.begin("demo")
    owner.database.fetch(
        "select s.id from auth_private.open_session(null, $1, 'anon', '{}', '{}') as s,"
        " auth_private.issue_refresh_token(s)",
        "service:\u202e7",
    )
    demo, service = owner.rows()
    assert (demo["USERNAME"], service["USERNAME"], service["SUBJECT"]) == ("demo", "-", "service:7")
    assert owner("session", "end", service["ID"]).status == 0
    assert owner.rows() == [demo]


def test_a_session_is_ended_by_what_the_log_calls_it_too(owner: Owner) -> None:
    """After a new role, its access tokens have another `sid` than its id."""
    owner.begin("demo")
    owner.database.execute("update auth.user set role = 'anon' where username = 'demo'")
    [named] = owner.database.fetch("select sid::text from auth.session where sid <> id")
    assert owner("session", "end", named["sid"]).status == 0
    assert owner.rows() == []


def test_a_list_may_be_of_one_user(owner: Owner) -> None:
    for name in ("demo", "alice", "demo"):
        owner.begin(name)
    assert [row["USERNAME"] for row in owner.rows("demo")] == ["demo", "demo"]
    assert [row["USERNAME"] for row in owner.rows()] == ["alice", "demo", "demo"]


def test_the_one_that_was_seen_last_is_the_first_of_its_user(owner: Owner) -> None:
    ids = [owner.begin("demo") for _ in range(3)]
    owner.database.fetch(
        "update auth.session set last_seen_at = now() + interval '1 hour' where id = $1::uuid", ids[1]
    )
    assert owner.rows()[0]["ID"] == ids[1]


@pytest.mark.parametrize(
    "over",
    [
        "update auth.session set expires_at = now()",
        "update auth.refresh_token set expires_at = now()",
        "update auth.session set ended_at = now(), ended_reason = 'logout'",
        "delete from auth.user where username = 'demo'",
    ],
)
def test_a_session_that_is_over_is_not_listed(owner: Owner, over: str) -> None:
    owner.begin("demo")
    assert len(owner.rows()) == 1
    owner.database.execute(over)
    assert owner.rows() == []


def test_times_are_in_utc(owner: Owner) -> None:
    owner.begin("demo")
    owner.database.execute(
        "update auth.session"
        " set created_at = '2026-01-02 03:04:05+02', last_seen_at = '2026-07-02 01:04:05+02'"
    )
    [row] = owner.rows()
    assert (row["SINCE"], row["LAST SEEN"]) == ("2026-01-02 01:04Z", "2026-07-01 23:04Z")


# --- end, logout


def test_a_session_is_ended_and_no_other(owner: Owner) -> None:
    ids = [owner.begin("demo") for _ in range(2)]
    shown = owner("session", "end", ids[0])
    assert (shown.status, shown.stdout, shown.stderr) == (0, "The session has ended.\n", "")
    assert [row["ID"] for row in owner.rows()] == ids[1:]
    [ended] = owner.database.fetch(
        "select s.ended_reason, e.sid::text"
        " from auth.session as s join auth_private.ended_session as e on e.sid = s.id"
    )
    assert (ended["ended_reason"], ended["sid"]) == ("ended_by_owner", ids[0])


def test_what_is_no_open_session_is_said(owner: Owner) -> None:
    over = owner.begin("demo")
    owner("session", "end", over)
    for unknown in (over, str(uuid4())):
        shown = owner("session", "end", unknown)
        assert (shown.status, shown.stdout) == (1, "")
        assert shown.stderr == "There is no such session, or it is over.\n"
    for wrong in ("demo", "1", over + "0", "' or true"):
        shown = owner("session", "end", wrong)
        assert (shown.status, shown.stdout) == (1, "")
        assert shown.stderr.startswith("That is not the id of a session")


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 sessions have ended."), (1, "1 session has ended."), (3, "3 sessions have ended.")],
)
def test_a_user_is_logged_out_everywhere_and_may_come_back(owner: Owner, count: int, said: str) -> None:
    for _ in range(count):
        owner.begin("demo")
    other = owner.begin("alice")
    shown = owner("user", "logout", "demo")
    assert (shown.status, shown.stdout, shown.stderr) == (0, said + "\n", "")
    assert [row["ID"] for row in owner.rows()] == [other]
    owner.begin("demo")
    assert len(owner.rows("demo")) == 1


@pytest.mark.parametrize("verb", [("session", "list"), ("user", "logout")], ids=" ".join)
def test_a_user_who_is_not_there_is_said(owner: Owner, verb: tuple[str, ...]) -> None:
    shown = owner(*verb, "nobody")
    assert (shown.status, shown.stdout, shown.stderr) == (1, "", NO_SUCH_USER)
    assert owner(*verb, "\udcff").stderr == "The name of the user or the role is not UTF-8.\n"


def test_what_is_ended_here_is_refused_by_a_gateway_at_once(
    owner: Owner, stack: DevStack, start_gateway: StartGateway, tmp_path: Path
) -> None:
    postgrest = stack.start_postgrest(database=owner.database)
    with start_gateway(
        stack.gateway_environ(),
        database_url=owner.database.gateway_dsn,
        owner_database_url=owner.database.owner_dsn,
        postgrest_url=postgrest.url,
    ) as gateway:
        for verb in ("end", "logout"):
            curl = Curl(gateway.url, tmp_path / verb)
            agent = ("-A", "agent of the tests")
            assert curl("/rpc/login", *CREDENTIALS, *agent).status == 204
            assert curl("/rest/task").status == 200
            [row] = owner.rows()
            assert (row["USERNAME"], row["USER AGENT"]) == ("demo", "agent of the tests")
            done = owner("session", "end", row["ID"]) if verb == "end" else owner("user", "logout", "demo")
            assert done.status == 0
            wait_until(partial(is_refused, curl), "the end of the session")
            assert curl("/rpc/refresh_token", "-X", "POST").status == 401
            assert owner.rows() == []
    postgrest.stop()


def is_refused(curl: Curl) -> bool:
    return curl("/rest/task").status == 401


# --- as whom


@pytest.mark.parametrize(
    "arguments", [["session", "list"], ["session", "end", str(uuid4())], ["user", "logout", "demo"]]
)
def test_the_gateways_login_may_do_none_of_it(owner: Owner, arguments: list[str]) -> None:
    shown = owner.console(*arguments, database_url=owner.database.gateway_dsn)
    assert shown.status == 1
    assert shown.stderr.startswith("Only a superuser or a member of auth_owner may do this")


def test_a_database_without_our_sql_is_said(owner: Owner, stack: DevStack) -> None:
    with stack.fresh_database(prepared=False) as empty:
        shown = Owner(owner.console, empty)("session", "list")
    assert shown.status == 1
    assert shown.stderr == "The database does not have Postgate's sessions: run `postgate migrate` first.\n"


def test_a_database_that_is_down_is_one_sentence(owner: Owner) -> None:
    url = f"postgresql://owner:{PASSWORD}@127.0.0.1:1/app"
    for arguments in (["session", "list"], ["session", "end", str(uuid4())], ["user", "logout", "demo"]):
        shown = owner.console(*arguments, owner_database_url=url)
        assert (shown.status, shown.stdout) == (1, "")
        assert shown.stderr.startswith("The database is unreachable: ")
