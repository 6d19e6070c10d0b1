"""The command line: help worth reading, exit statuses, and errors that are one clear sentence."""

import base64
import re
from collections.abc import Mapping

import pytest
import typer
from harness.site.console import PASSWORD, Console, QuickConsole
from typer.testing import CliRunner

from app.build import BUILD, PYTHON, VERSION
from app.cli import app

SOMEWHERE = f"postgresql://gateway:{PASSWORD}@127.0.0.1:1/app"  # where nobody listens
NOT_A_URL = "is not postgresql://user:password@host:port/database (special characters of a password as %XX)"
SECRET = base64.b64encode(bytes(range(32))).decode()
VERBS = [
    ("serve",),
    ("dev",),
    ("migrate",),
    ("check",),
    ("doctor",),
    ("suggest",),
    ("user", "add"),
    ("user", "passwd"),
    ("user", "list"),
    ("user", "disable"),
    ("user", "enable"),
    ("user", "logout"),
    ("session", "list"),
    ("session", "end"),
    ("setting", "list"),
    ("setting", "set"),
    ("mail", "preview"),
    ("mail", "test"),
    ("mail", "queue"),
    ("secret", "new"),
    ("secret", "public"),
    ("secret", "rotate"),
]


@pytest.fixture
def postgate(environ: Mapping[str, str]) -> Console:
    return Console(environ)


@pytest.fixture
def quick(environ: Mapping[str, str]) -> Console:
    return QuickConsole(environ)


def leaves(group: typer.Typer, *path: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for command in group.registered_commands:
        assert command.callback is not None
        found.append((*path, command.name or command.callback.__name__))
    for sub in group.registered_groups:
        assert sub.typer_instance is not None
        found += leaves(sub.typer_instance, *path, *([sub.name] if isinstance(sub.name, str) else []))
    return found


def test_these_are_all_verbs() -> None:
    assert leaves(app) == VERBS


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_the_help_of_a_verb_has_an_example_that_is_one_of_its_own(verb: tuple[str, ...]) -> None:
    text = CliRunner().invoke(app, [*verb, "--help"]).stdout
    assert text.startswith("Usage: ")
    assert f"postgate {' '.join(verb)}" in text.partition("Example")[2]


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb[0] != "secret"], ids=" ".join)
def test_the_help_of_a_verb_says_what_it_needs_and_how_it_exits(verb: tuple[str, ...]) -> None:
    runner = CliRunner()
    text = runner.invoke(app, [*verb, "--help"]).stdout
    if verb[0] in {"user", "session", "setting"}:
        text += runner.invoke(app, [verb[0], "--help"]).stdout
    assert re.search(
        r"POSTGATE_[A-Z_]*DATABASE_URL|POSTGATE_\* settings|settings\s+of\s+`postgate serve`", text
    )
    assert "Exit status: 0" in text or verb == ("user", "list")


def test_the_help_of_it_all_leads_through_the_first_steps(postgate: Console) -> None:
    shown = postgate("--help")
    assert shown.status == 0
    assert "Exit status: 0 if all went well, 1 if not" in shown.stdout
    for step in ["dev", "secret new", "migrate", "user add", "check", "doctor", "serve"]:
        assert f"    postgate {step}" in shown.stdout


def test_nothing_to_do_is_a_wrong_command_line(postgate: Console) -> None:
    assert postgate().status == 2


@pytest.mark.parametrize(
    "arguments",
    [["nope"], ["serve", "--reload"], ["serve", "--debug"], ["user", "add"], ["dev", "--port", "0"]],
)
def test_a_wrong_command_line_exits_with_2(quick: Console, arguments: list[str]) -> None:
    shown = quick(*arguments)
    assert shown.status == 2
    assert shown.stderr.startswith("Usage: postgate")


def test_the_version_is_that_of_the_distribution(postgate: Console) -> None:
    shown = postgate("--version")
    assert (shown.status, shown.stdout) == (0, f"postgate {VERSION} ({BUILD}, Python {PYTHON})\n")


def test_a_new_shared_secret_is_32_bytes_and_another_one_each_time(postgate: Console) -> None:
    shown = [postgate("secret", "new", "--algorithm", "HS256").stdout for _ in range(2)]
    assert len({base64.b64decode(text, validate=False) for text in shown}) == 2
    for text in shown:
        assert len(base64.b64decode(text.removesuffix("\n"), validate=True)) == 32


def test_settings_that_cannot_be_used_are_told_at_once_and_never_by_value(postgate: Console) -> None:
    wrong = {
        "database_url": PASSWORD,
        "jwt_secret": PASSWORD,
        "jwt_secret_is_base64": "false",
        "port": PASSWORD,
        "prot": PASSWORD,
    }
    shown = postgate("serve", **wrong)
    assert shown.status == 1
    assert shown.stdout == ""
    assert shown.stderr.splitlines() == [
        "The settings are invalid:",
        "  POSTGATE_PORT is not a whole number in digits",
        "  POSTGATE_PROT is not a setting; is it POSTGATE_PORT?",
        f"  POSTGATE_DATABASE_URL {NOT_A_URL}",
        "  POSTGATE_JWT_SECRET has 20 bytes, and HS256 needs at least 32",
    ]


def test_a_check_tells_the_same_as_problems(postgate: Console) -> None:
    shown = postgate("check", jwt_secret=PASSWORD, jwt_secret_is_base64="false")
    assert shown.status == 1
    assert shown.stdout.splitlines() == [
        "problem      POSTGATE_DATABASE_URL is not set",
        "problem      POSTGATE_JWT_SECRET has 20 bytes, and HS256 needs at least 32",
        "2 problems, 0 warnings",
    ]


@pytest.mark.parametrize(
    "verb",
    [
        ["migrate"],
        ["migrate", "--check"],
        ["user", "add", "anna", "--role", "editor"],
        ["user", "passwd", "anna"],
        ["user", "list"],
        ["user", "disable", "anna"],
    ],
    ids=" ".join,
)
def test_a_database_that_is_down_is_one_sentence(quick: Console, verb: list[str]) -> None:
    shown = quick(*verb, stdin=PASSWORD, owner_database_url=SOMEWHERE)
    assert shown.status == 1
    assert shown.stdout == ""
    assert re.fullmatch(r"The database is unreachable: [a-z ]+\.\n", shown.stderr)


def test_a_check_tells_everything_that_is_down_at_once(postgate: Console) -> None:
    shown = postgate(
        "check",
        database_url=SOMEWHERE,
        owner_database_url=SOMEWHERE.replace("gateway", "owner"),
        postgrest_url="unix:/nowhere/postgrest.sock",
        jwt_secret=SECRET,
    )
    assert shown.status == 1
    for sentence in [
        "The gateway's login cannot connect to the database: nothing listens at that address.",
        "The owner's login cannot connect to the database: nothing listens at that address.",
        "PostgREST is unreachable: nothing listens there, or this user may not connect.",
    ]:
        assert f"problem      {sentence}\n" in shown.stdout
    assert "3 problems" in shown.stdout
    assert SECRET not in shown.stdout
