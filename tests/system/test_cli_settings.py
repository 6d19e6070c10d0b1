"""`postgate setting`: what the owner may tune in the database."""

from collections.abc import Mapping

import pytest
from harness.site.console import Console, QuickConsole, Result

from app.devstack import Database


class Settings:
    """The verbs, as the owner of one database."""

    def __init__(self, console: Console, url: str) -> None:
        self.console = console
        self.url = url

    def __call__(self, *arguments: str) -> Result:
        return self.console("setting", *arguments, owner_database_url=self.url)

    def rows(self) -> dict[str, list[str]]:
        """Value, default, range, unit and meaning, by name."""
        shown = self("list")
        assert (shown.status, shown.stderr) == (0, "")
        head, *lines = shown.stdout.splitlines()
        assert head.split() == ["NAME", "VALUE", "DEFAULT", "RANGE", "UNIT", "MEANING"]
        return {line.split()[0]: line.split(maxsplit=5)[1:] for line in lines}


@pytest.fixture
def setting(environ: Mapping[str, str], database: Database) -> Settings:
    return Settings(QuickConsole(environ), database.owner_dsn)


def read(database: Database, query: str) -> object:
    return database.fetch(f"select {query} as value")[0]["value"]


def test_all_are_listed_with_what_holds(setting: Settings) -> None:
    rows = setting.rows()

    assert len(rows) == 19
    assert list(rows) == sorted(rows)
    assert rows["session_life"] == [
        *("2160", "2160", "1-17520", "hours", "how long a session lasts at most, however busy it is")
    ]


def test_a_value_is_set_and_the_default_put_back(setting: Settings, database: Database) -> None:
    for value, holds in [("720", "720"), ("1", "1"), ("17520", "17520"), ("default", "2160")]:
        shown = setting("set", "session_life", value)
        assert (shown.status, shown.stdout) == (0, "The value is set.\n")
        assert setting.rows()["session_life"][:2] == [holds, "2160"]
        assert read(database, "auth_private.session_life()::text") == f"{int(holds):02}:00:00"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("session_life", "0"), "session_life must be from 1 to 17520 hours."),
        (("session_life", "17521"), "session_life must be from 1 to 17520 hours."),
        (("session_life", "9" * 5000), "session_life must be from 1 to 17520 hours."),
        (("bcrypt_cost", "4"), "bcrypt_cost must be from 10 to 15 steps."),
        (("session_life", "1.5"), "The value must be a whole number, or the word default."),
        (("session_life", "1 day"), "The value must be a whole number, or the word default."),
        (("session_life", ""), "The value must be a whole number, or the word default."),
        (("session_life", "٣"), "The value must be a whole number, or the word default."),
        (("session_lifes", "1"), "There is no such setting: `postgate setting list` shows them."),
        (
            ("x'; drop table auth.setting", "1"),
            "There is no such setting: `postgate setting list` shows them.",
        ),
    ],
)
def test_what_cannot_be_set_is_said_and_changes_nothing(
    setting: Settings, arguments: tuple[str, str], sentence: str
) -> None:
    before = setting.rows()
    shown = setting("set", *arguments)

    assert (shown.status, shown.stdout, shown.stderr) == (1, "", sentence + "\n")
    assert setting.rows() == before


@pytest.mark.parametrize("arguments", [("list",), ("set", "session_life", "1")])
def test_no_login_but_the_owners_may(
    setting: Settings, database: Database, arguments: tuple[str, ...]
) -> None:
    setting.url = database.gateway_dsn
    shown = setting(*arguments)

    assert shown.status == 1
    assert shown.stderr.startswith("Only a superuser or a member of auth_owner may do this")


def test_a_database_without_the_table_says_what_to_do(setting: Settings, database: Database) -> None:
    database.execute("drop table auth.setting cascade")
    shown = setting("list")

    assert shown.status == 1
    assert "run `postgate migrate` first" in shown.stderr
