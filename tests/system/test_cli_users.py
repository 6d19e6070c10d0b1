"""`postgate user`: users as their owner makes, lists and locks them, with passwords that stay at home."""

import os
import re
import select
import subprocess
import time
from collections.abc import Mapping

import pytest
from harness.sessions import BEGIN_SESSION
from harness.site.console import PASSWORD, POSTGATE, SECONDS, Console, QuickConsole, Result, clean

from app.devstack import Database, DevStack
from app.operator.users import MAX_PASSWORD_BYTES

ROLE = "basic_subscriber"
NO_SUCH_USER = "There is no such user.\n"


class Users:
    """The verbs, as the owner of one database."""

    def __init__(self, console: Console, url: str) -> None:
        self.console = console
        self.url = url

    def __call__(self, *arguments: str, stdin: str | bytes = b"") -> Result:
        return self.console("user", *arguments, stdin=stdin, owner_database_url=self.url)

    def add(self, name: str, password: str | bytes = PASSWORD, role: str = ROLE) -> Result:
        return self("add", "--role", role, "--", name, stdin=password)


@pytest.fixture
def postgate(environ: Mapping[str, str]) -> Console:
    return QuickConsole(environ)


@pytest.fixture
def user(postgate: Console, database: Database) -> Users:
    return Users(postgate, database.owner_dsn)


def row(database: Database, name: str) -> tuple[str, str, bool]:
    """Hash, role, and whether disabled."""
    query = "select password, role, disabled_at is not null as disabled from auth.user where username = $1"
    [user] = database.fetch(query, name)
    return user["password"], user["role"], user["disabled"]


def matches(database: Database, name: str, password: str) -> bool:
    query = "select auth_private.password_matches($2, password) as yes from auth.user where username = $1"
    [user] = database.fetch(query, name, password)
    return bool(user["yes"])


def sessions(database: Database, name: str) -> int:
    query = (
        "select from auth.session as s join auth.user as u on u.id = s.user_id"
        " where u.username = $1 and auth_private.session_is_live(s)"
    )
    return len(database.fetch(query, name))


def start_session(database: Database, name: str) -> None:
    database.fetch(BEGIN_SESSION, name)


# --- add


def test_the_console_script_makes_a_user(environ: Mapping[str, str], database: Database) -> None:
    shown = Users(Console(environ), database.owner_dsn).add("anna")
    assert (shown.status, shown.stdout, shown.stderr) == (0, "The user is added.\n", "")
    assert matches(database, "anna", PASSWORD)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_user_is_made_with_the_line_of_standard_input(user: Users, database: Database, ending: str) -> None:
    shown = user.add("anna", PASSWORD + ending)
    assert (shown.status, shown.stdout, shown.stderr) == (0, "The user is added.\n", "")
    assert matches(database, "anna", PASSWORD)
    assert row(database, "anna")[1:] == (ROLE, False)


def test_the_password_is_hashed_as_the_sql_hashes(user: Users, database: Database) -> None:
    database.execute(
        "create or replace function auth_private.bcrypt_cost() returns integer"
        " language sql immutable return 11"
    )
    assert user.add("anna").status == 0
    assert row(database, "anna")[0].startswith("$2a$11$")


def test_no_plain_password_reaches_the_servers_log(user: Users, database: Database, stack: DevStack) -> None:
    for setting in ("log_statement = 'all'", "log_min_duration_statement = 0"):
        database.execute(f'alter database "{database.name}" set {setting}')
    assert user.add("anna").status == 0
    assert user("passwd", "anna", stdin=PASSWORD + "2").status == 0
    log = stack.postgres.log.read_text(errors="replace")
    assert "auth.add_user" in log  # it does log statements
    assert "auth.set_password_hash" in log
    assert PASSWORD not in log


def test_a_password_of_72_bytes_is_the_longest(user: Users, database: Database) -> None:
    longest = "é" * (MAX_PASSWORD_BYTES // 2)
    assert user.add("anna", longest).status == 0
    assert matches(database, "anna", longest)
    refused = user.add("berta", longest + "x")
    assert refused.status == 1
    assert refused.stderr == "The password has 73 bytes, and bcrypt takes 72 at most.\n"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (b"", "The password is empty."),
        (b"\n", "The password is empty."),
        (b"one\ntwo\n", "There is more than one line on standard input."),
        (b"\xff\xfe", "The password is not UTF-8."),
        (b"a\0b", "The password holds a NUL character."),
        (b"x" * 10_000, "The password has 4096 bytes, and bcrypt takes 72 at most."),
    ],
)
def test_what_cannot_be_a_password_is_refused(user: Users, typed: bytes, sentence: str) -> None:
    shown = user.add("anna", typed)
    assert (shown.status, shown.stderr) == (1, sentence + "\n")


def test_a_name_is_given_once(user: Users) -> None:
    shown = user.add("demo")
    assert (shown.status, shown.stderr) == (1, "A user with this name exists already.\n")


@pytest.mark.parametrize("name", ["", " anna", "an\u200bna", "an\u202ena", "a" * 255])
def test_a_name_that_could_pass_for_another_is_refused(user: Users, name: str) -> None:
    shown = user.add(name)
    assert shown.status == 1
    assert shown.stderr.startswith("The user name is invalid: ")


def test_a_name_that_is_not_utf8_is_refused(user: Users) -> None:
    shown = user.add(os.fsdecode(b"\xff\xfe"))
    assert (shown.status, shown.stderr) == (1, "The name of the user or the role is not UTF-8.\n")


@pytest.mark.parametrize("name", ["-v", "--help", "anna o'hara", "Anna Ångström", "x'; drop table auth.user"])
def test_a_name_may_be_odd(user: Users, database: Database, name: str) -> None:
    assert user.add(name).status == 0
    assert row(database, name)[1] == ROLE


@pytest.mark.parametrize("role", ["nobody_has_this", "postgres", "pg_read_all_data", "authenticator", ""])
def test_a_role_that_users_may_not_have_is_refused(user: Users, role: str) -> None:
    shown = user.add("anna", role=role)
    assert shown.status == 1
    assert shown.stderr.startswith("The role does not exist, or users may not have it: ")


def test_a_terminal_is_asked_twice_and_shows_nothing(
    user: Users, database: Database, environ: Mapping[str, str]
) -> None:
    master, slave = os.openpty()
    process = subprocess.Popen(
        [POSTGATE, "user", "add", "anna", "--role", ROLE],
        env={**clean(environ), "POSTGATE_OWNER_DATABASE_URL": user.url},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,  # without the terminal that the tests may have been started from
    )
    os.close(slave)
    try:
        terminal = Terminal(master)
        terminal.answer("Password: ", PASSWORD)
        terminal.answer("Repeat for confirmation: ", PASSWORD + "?")
        assert "do not match" in terminal.answer("Password: ", PASSWORD)
        terminal.answer("Repeat for confirmation: ", PASSWORD)
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert PASSWORD not in terminal.shown
    assert matches(database, "anna", PASSWORD)


class Terminal:
    """The side of a terminal on which a person sits."""

    def __init__(self, master: int) -> None:
        self.master = master
        self.shown = ""
        self._answered = 0

    def answer(self, question: str, line: str) -> str:
        """Wait for the question, type a line, and return what was shown since the last answer."""
        deadline = time.monotonic() + SECONDS
        while question not in self.shown[self._answered :]:
            ready, _, _ = select.select([self.master], [], [], deadline - time.monotonic())
            assert ready, f"no question {question!r} in {self.shown!r}"
            self.shown += os.read(self.master, 4096).decode()
        since = self.shown[self._answered :]
        self._answered = len(self.shown)
        os.write(self.master, line.encode() + b"\n")
        return since


# --- passwd, list, disable, enable


def test_another_password_ends_the_sessions_of_that_user_alone(user: Users, database: Database) -> None:
    for name in ("demo", "alice"):
        start_session(database, name)
    shown = user("passwd", "demo", stdin=PASSWORD)
    assert (shown.status, shown.stderr) == (0, "")
    assert matches(database, "demo", PASSWORD)
    assert not matches(database, "demo", "demo")
    assert (sessions(database, "demo"), sessions(database, "alice")) == (0, 1)


def test_a_disabled_user_has_no_sessions_and_can_be_enabled(user: Users, database: Database) -> None:
    start_session(database, "demo")
    for _ in range(2):  # doing it again does no harm
        assert user("disable", "demo").status == 0
        assert row(database, "demo")[2]
    assert sessions(database, "demo") == 0
    assert re.search(
        r"^demo  +basic_subscriber  +\S+ \S+Z  +\d{4}-\d\d-\d\d \d\d:\d\dZ  +[0-9a-f-]{36}$",
        list_of(user),
        re.MULTILINE,
    )
    assert user("enable", "demo").status == 0
    assert not row(database, "demo")[2]
    assert matches(database, "demo", "demo")


def list_of(user: Users) -> str:
    shown = user("list")
    assert (shown.status, shown.stderr) == (0, "")
    return shown.stdout


def test_the_list_has_every_user_and_no_hash(user: Users, database: Database) -> None:
    assert user.add("Ünal").status == 0
    lines = list_of(user).splitlines()
    assert lines[0].split() == ["USERNAME", "ROLE", "SINCE", "DISABLED", "ID"]
    assert [line.split()[0] for line in lines[1:]] == ["alice", "demo", "Ünal"]
    assert {line.split()[-2] for line in lines[1:]} == {"-"}
    ids = {row["id"] for row in database.fetch("select id::text from auth.user")}
    assert {line.split()[-1] for line in lines[1:]} == ids
    assert "$2a$" not in "".join(lines)


@pytest.mark.parametrize("verb", ["passwd", "disable", "enable"])
def test_a_user_who_is_not_there_is_said(user: Users, verb: str) -> None:
    shown = user(verb, "nobody", stdin=PASSWORD)
    assert (shown.status, shown.stdout, shown.stderr) == (1, "", NO_SUCH_USER)


# --- as whom


@pytest.mark.parametrize("arguments", [["add", "anna", "--role", ROLE], ["list"], ["disable", "demo"]])
def test_the_gateways_login_may_do_none_of_it(
    postgate: Console, database: Database, arguments: list[str]
) -> None:
    shown = postgate("user", *arguments, stdin=PASSWORD, database_url=database.gateway_dsn)
    assert shown.status == 1
    assert shown.stderr.startswith("Only a superuser or a member of auth_owner may do this")


def test_a_member_of_auth_owner_may_do_all_of_it(postgate: Console, database: Database) -> None:
    database.execute(
        "drop role if exists clerk; create role clerk login noinherit; grant auth_owner to clerk"
    )
    try:
        user = Users(postgate, database.dsn("clerk"))
        for shown in (
            user.add("anna"),
            user("passwd", "anna", stdin=PASSWORD),
            user("disable", "anna"),
            user("enable", "anna"),
            user("list"),
        ):
            assert (shown.status, shown.stderr) == (0, "")
    finally:
        database.execute("drop role clerk")


def test_a_database_without_our_sql_is_said(postgate: Console, stack: DevStack) -> None:
    with stack.fresh_database(prepared=False) as empty:
        shown = Users(postgate, empty.owner_dsn)("list")
    assert shown.status == 1
    assert shown.stderr == "The database does not have Postgate's users: run `postgate migrate` first.\n"
