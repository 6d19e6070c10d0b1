"""What a check makes of what it saw, where planting the mistake would take another machine."""

import base64
import resource
from dataclasses import replace
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from app.diagnostics.check import agreement, connections, limits, login, schema, sites, transport
from app.diagnostics.check.connections import Room
from app.diagnostics.check.findings import Finding, Level, judge_clock, sql_name
from app.diagnostics.check.routines import Routine
from app.diagnostics.check.upstream import Response, Responses
from app.settings import Settings, load_settings
from app.settings.dsn import read_dsn
from app.system.limits import SystemLimits

NOW = 1_800_000_000.0
SETTINGS = load_settings(
    {
        "POSTGATE_DATABASE_URL": "postgresql://gateway@db/app",
        "POSTGATE_JWT_SECRET": base64.b64encode(bytes(range(32))).decode(),
    }
)
GOOD = Response(200, "postgrest/16.2", NOW)
REFUSED = Response(401, "postgrest/16.2", NOW, "PGRST301", "No suitable key or wrong key type")
ANSWERS = Responses(
    own=GOOD,
    own_at=NOW,
    foreign=REFUSED,
    other_reading=REFUSED,
    unknown_role=Response(401, "postgrest/16.2", NOW, "22023", 'role "postgate_check_nobody" does not exist'),
    auth_schema=Response(406, "postgrest/16.2", NOW, "PGRST106", "Invalid schema: auth"),
    anonymous=GOOD,
    roles={},
)


def routine(name: str, **changes: Any) -> Routine:
    """One of Postgate's own, that clients may call."""
    made = Routine(
        name=name,
        sql=f"auth.{name}()",
        owner="auth_owner",
        may_execute=True,
        required=0,
        is_volatile=True,
        is_void=True,
        sets_headers=False,
        grantees=(),
        is_public_by_default=False,
    )
    return replace(made, **changes)


LOGIN = login.Login(
    version="17.10",
    login="gateway",
    is_superuser=False,
    is_read_only=False,
    stores_secret=False,
    role_exists=True,
    may_become_role=True,
    may_use_schema=True,
    role_has_powers=False,
    functions={name: [routine(name)] for name in SETTINGS.auth_functions},
    admits=True,
    room=Room(server=97, database=-1, login=-1, database_name="app", login_name="gateway"),
    clock_ahead_seconds=0.2,
)


def bad(findings: list[Finding]) -> list[tuple[Level, str]]:
    return [(finding.level, finding.text) for finding in findings if finding.level is not Level.OK]


def with_settings(**changes: object) -> Settings:
    return SETTINGS.model_copy(update=changes)


# --- clocks


@pytest.mark.parametrize("ahead", [-5.0, -1.4, 0.0, 5.0])
def test_clocks_a_few_seconds_apart_are_well(ahead: float) -> None:
    assert judge_clock("PostgreSQL", ahead) == []


@pytest.mark.parametrize(("ahead", "words"), [(6.0, "6 s ahead of"), (-3600.0, "3600 s behind")])
def test_a_clock_that_is_off_is_a_warning(ahead: float, words: str) -> None:
    text = (
        f"The clock of PostgreSQL is {words} the gateway's: tokens will be rejected as expired or as issued "
        "in the future."
    )
    assert bad(login.judge(replace(LOGIN, clock_ahead_seconds=ahead), SETTINGS)) == [(Level.WARNING, text)]
    answers = replace(ANSWERS, own=replace(GOOD, date=NOW + ahead))
    assert bad(agreement.judge(answers, SETTINGS)) == [
        (Level.WARNING, text.replace("PostgreSQL", "PostgREST"))
    ]


def test_a_server_that_does_not_tell_the_time_is_not_late() -> None:
    assert bad(agreement.judge(replace(ANSWERS, own=replace(GOOD, date=None)), SETTINGS)) == []


# --- PostgREST's words, from version 12 to 16


@pytest.mark.parametrize(
    ("code", "message", "problem"),
    [
        ("PGRST301", "JWT expired", "PostgREST rejects the times in the gateway's tokens."),
        ("PGRST303", "JWT expired", "PostgREST rejects the times in the gateway's tokens."),
        ("PGRST301", "JWTNotYetValid", "PostgREST rejects the times in the gateway's tokens."),
        ("PGRST303", "JWT not yet valid", "PostgREST rejects the times in the gateway's tokens."),
        ("PGRST301", "JWTIssuedAtFuture", "PostgREST rejects the times in the gateway's tokens."),
        ("PGRST303", "JWT issued at future", "PostgREST rejects the times in the gateway's tokens."),
        ("PGRST301", "JWTNotInAudience", "PostgREST expects another audience in tokens."),
        ("PGRST303", "JWT not in audience", "PostgREST expects another audience in tokens."),
        ("PGRST301", "JWSError JWSInvalidSignature", "PostgREST has another JWT secret than the gateway."),
        (
            "PGRST301",
            "No suitable key or wrong key type",
            "PostgREST has another JWT secret than the gateway.",
        ),
        ("PGRST300", "Server lacks JWT secret", "PostgREST has no JWT secret."),
    ],
)
def test_why_postgrest_refuses_is_read_from_its_answer(code: str, message: str, problem: str) -> None:
    own = Response(401, "postgrest/16.2", NOW, code, message)
    assert bad(agreement.judge(replace(ANSWERS, own=own), SETTINGS)) == [(Level.PROBLEM, problem)]


def test_postgrest_that_believes_anybody_is_a_problem() -> None:
    assert bad(agreement.judge(replace(ANSWERS, foreign=GOOD), SETTINGS)) == [
        (Level.PROBLEM, "PostgREST accepts tokens of any signer.")
    ]


def test_postgrest_that_believes_a_sample_is_a_problem() -> None:
    assert bad(agreement.judge(replace(ANSWERS, samples=[REFUSED, GOOD]), SETTINGS)) == [
        (Level.PROBLEM, "PostgREST accepts tokens that are signed with a sample secret from a manual.")
    ]


@pytest.mark.parametrize("code", ["PGRST000", "PGRST001", "PGRST002", "PGRST003"])
def test_postgrest_without_its_database_is_a_problem_of_its_own(code: str) -> None:
    own = Response(503, "postgrest/16.2", NOW, code, "Could not query the database for the schema cache")
    assert bad(agreement.judge(replace(ANSWERS, own=own), SETTINGS)) == [
        (Level.PROBLEM, "PostgREST cannot reach its database.")
    ]


def test_a_root_function_that_refuses_anon_is_not_taken_for_a_missing_grant() -> None:
    own = Response(401, "postgrest/16.2", NOW, "42501", "permission denied for function root")
    assert [level for level, _ in bad(agreement.judge(replace(ANSWERS, own=own), SETTINGS))] == []


# --- limits


def needed(settings: Settings) -> int:
    return settings.connections + settings.upstream_connections + settings.database_connections


@pytest.mark.parametrize("allowed", [None, 1_048_576, 20_500])
def test_as_many_files_as_connections_are_well(allowed: int | None) -> None:
    assert bad(limits.judge(SystemLimits(allowed), SETTINGS)) == []


def test_fewer_files_than_connections_are_a_warning() -> None:
    [(level, text)] = bad(limits.judge(SystemLimits(1024), SETTINGS))
    assert level is Level.WARNING
    assert text.startswith("This process may have 1024 files open")
    assert bad(limits.judge(SystemLimits(1024), with_settings(connections=500))) == []
    assert (
        bad(limits.judge(SystemLimits(needed(SETTINGS)), SETTINGS)) != []
    )  # listeners and logs are files too


def test_the_limit_is_the_one_that_the_gateway_raises_its_own_to() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert limits.look().files == (None if hard == resource.RLIM_INFINITY else hard)


ROOM = LOGIN.room


@pytest.mark.parametrize(
    ("room", "settings", "beginning"),
    [
        (replace(ROOM, login=4), {}, "The login gateway may have 4 connections"),
        (replace(ROOM, database=15), {}, "The database app may have 15 connections"),
        (replace(ROOM, server=15), {}, "PostgreSQL allows 15 connections in all"),
        (ROOM, {"workers": 18}, "PostgreSQL allows 97 connections in all"),
        (ROOM, {"database_connections": 86}, "PostgreSQL allows 97 connections"),
        (ROOM, {"postgrest_pool": 92}, "PostgreSQL allows 97 connections"),
    ],
)
def test_fewer_connections_to_the_database_than_the_pools_take_are_a_warning(
    room: Room, settings: dict[str, int], beginning: str
) -> None:
    [(level, text)] = bad(login.judge(replace(LOGIN, room=room), with_settings(**settings)))
    assert level is Level.WARNING
    assert text.startswith(beginning)


@pytest.mark.parametrize("room", [ROOM, replace(ROOM, login=5), replace(ROOM, database=16, server=16)])
def test_as_many_connections_as_the_pools_take_are_well(room: Room) -> None:
    assert connections.judge(room, SETTINGS) == []


def test_a_poolers_connections_are_not_the_servers() -> None:
    assert connections.judge(replace(ROOM, server=1), with_settings(listen_database_url="x")) == []


# --- cookies


@pytest.mark.parametrize(
    "origins",
    [
        (),
        ("https://app.example.com",),
        ("https://app.example.com", "https://api.example.com:8443"),
        ("http://127.0.0.1:8535",),
    ],
)
def test_origins_of_one_site_are_well(origins: tuple[str, ...]) -> None:
    assert sites.judge(with_settings(trusted_origins=origins)) == []


@pytest.mark.parametrize(
    "origins",
    [
        ("https://app.example.com", "https://example.org"),
        ("https://app.example.com", "http://app.example.com"),  # schemes tell sites apart
        ("http://localhost:8535",),  # before a gateway on 127.0.0.1
    ],
)
def test_origins_of_another_site_are_a_warning(origins: tuple[str, ...]) -> None:
    [finding] = sites.judge(with_settings(trusted_origins=origins))
    assert finding.level is Level.WARNING
    assert "browsers drop their cookies" in finding.text


def test_a_token_that_is_too_large_for_a_cookie_is_a_problem() -> None:
    claims = {"role": "anon", "exp": int(NOW) + 60, "permissions": "x" * 4_000}
    token = jwt.encode(claims, SETTINGS.jwt_keys[0], algorithm="HS256")
    [finding] = schema.judge_signed(schema.Signed(token=token, now=NOW), SETTINGS)
    assert finding.level is Level.PROBLEM
    assert finding.text.startswith("Browsers drop the access cookie")


# --- SQL to copy


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("anon", "anon"),
        ("Anon", '"Anon"'),
        ("web-anon", '"web-anon"'),
        ('a"b', '"a""b"'),
        ('a"\n\\b', 'U&"a""\\+00000a\\\\b"'),
    ],
)
def test_names_are_written_as_sql_reads_them(name: str, written: str) -> None:
    assert sql_name(name) == written


# --- the way to the database


@pytest.mark.parametrize(
    ("url", "is_exposed"),
    [
        ("postgresql://u@db.example.com/app", True),
        ("postgresql://u@db.example.com/app?sslmode=prefer", True),
        ("postgresql://u@db.example.com/app?sslmode=disable", True),
        ("postgresql://u@8.8.8.8/app", True),
        ("postgresql://u@[2606:4700::1111]/app", True),
        ("postgresql://u@postgres,db.example.com/app", True),
        ("host=db.example.com user=u", True),
        ("postgresql://u@db.example.com/app?sslmode=require", False),
        ("postgresql://u@postgres/app", False),
        ("postgresql://u@postgres.app.svc.cluster.local/app", False),
        ("postgresql://u@localhost/app", False),
        ("postgresql://u@10.0.0.7/app", False),
        ("postgresql://u@127.0.0.1/app", False),
        ("postgresql://u@[::1]/app", False),
        ("postgresql://u@[fe80::1%25eth0]/app", False),
        ("postgresql://u@/app?host=/run/postgresql", False),
        ("postgresql://", False),
    ],
)
def test_clear_text_over_a_public_network_is_a_warning(url: str, *, is_exposed: bool) -> None:
    found = bad(transport.judge(with_settings(database_url=SecretStr(read_dsn(url)))))
    assert [level for level, _ in found] == ([Level.WARNING] if is_exposed else [])
    assert all("POSTGATE_DATABASE_URL" in text for _, text in found)
