"""`postgate check` finds every planted mistake, beside what is right, and changes nothing."""

import base64
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from harness.site.console import PASSWORD, Console
from typing_extensions import override

from app.devstack import Database, DevStack, Postgrest
from app.diagnostics.check import Finding, Level, run_checks, upstream
from app.operator.migrations import load
from app.settings import load_settings
from app.settings.keys import oct_jwk, write_ring

pytestmark = pytest.mark.anyio

OTHER_SECRET = "c29tZSBvdGhlciBzZWNyZXQgb2YgMzIgYnl0ZXMgb3Igc28="
PLAIN_SECRET = "a secret in plain text: 32 bytes."
NOWHERE = "postgresql://gateway@/app?host=/nowhere"

Environ = dict[str, str]


class Report:
    """What a check found."""

    def __init__(self, findings: list[Finding]) -> None:
        # The limit of files is this machine's affair
        self.findings = [finding for finding in findings if "files open" not in finding.text]

    @override
    def __repr__(self) -> str:
        return "\n".join(f"{finding.level}: {finding.text} -> {finding.fix}" for finding in self.findings)

    def texts(self, level: Level) -> list[str]:
        return [finding.text for finding in self.findings if finding.level is level]

    @property
    def problems(self) -> list[str]:
        return self.texts(Level.PROBLEM)

    @property
    def warnings(self) -> list[str]:
        return self.texts(Level.WARNING)

    @property
    def not_checked(self) -> list[str]:
        return self.texts(Level.NOT_CHECKED)

    def fix(self, beginning: str) -> str:
        [fix] = [finding.fix for finding in self.findings if finding.text.startswith(beginning)]
        return fix


@pytest.fixture
def site(stack: DevStack) -> Environ:
    """Settings of a gateway before the stack, which others use too."""
    return stack.gateway_environ()


@pytest.fixture
def own_site(site: Environ, database: Database) -> Environ:
    """The same with a database of one's own, to be spoilt."""
    return {
        **site,
        "POSTGATE_DATABASE_URL": database.gateway_dsn,
        "POSTGATE_OWNER_DATABASE_URL": database.owner_dsn,
    }


@pytest.fixture
def role(database: Database) -> Iterator[str]:
    """A login that is a member of nothing."""
    database.execute("drop role if exists stranger; create role stranger login noinherit")
    yield "stranger"
    database.execute("drop owned by stranger; drop role stranger")


async def check(environ: Environ, **changes: str) -> Report:
    changed = {**environ, **{f"POSTGATE_{name.upper()}": value for name, value in changes.items()}}
    report = Report(await run_checks(load_settings(changed)))
    for secret in (changed["POSTGATE_JWT_SECRET"], PASSWORD):
        assert secret not in repr(report)
    return report


# --- everything fits


async def test_where_everything_fits_all_is_well(site: Environ) -> None:
    report = await check(site)
    assert report.problems + report.warnings + report.not_checked == []
    assert report.texts(Level.OK)[1].startswith("The gateway's login connects to PostgreSQL ")
    assert [text for text in report.texts(Level.OK) if "PostgreSQL" not in text] == [
        "The settings are valid.",
        "The gateway's login may become the role anon.",
        "The role anon may call the auth functions in auth.",
        "Every migration is applied.",
        "The gateway accepts the tokens that the SQL functions sign.",
        "PostgREST accepts the gateway's tokens, and rejects those of another secret.",
        "PostgREST reads the role from the same claim as the gateway.",
        "PostgREST does not expose the schema auth.",
    ] + [text for text in report.texts(Level.OK) if "as many connections" in text]


async def test_a_check_changes_nothing(own_site: Environ, database: Database) -> None:
    def rows() -> list[Any]:
        query = (
            "select xmin::text, t::text from auth.user as t union all"
            " select xmin::text, t::text from auth.refresh_token as t union all"
            " select xmin::text, t::text from postgate.migration as t order by 2"
        )
        return database.fetch(query)

    before = rows()
    await check(own_site)
    assert rows() == before


async def test_a_plain_secret_and_a_socket_are_as_good(stack: DevStack, site: Environ) -> None:
    options = replace(stack.options, jwt_secret=PLAIN_SECRET, jwt_secret_is_base64=False, listen="unix")
    with running(stack, options) as postgrest:
        report = await check(
            site, jwt_secret=PLAIN_SECRET, jwt_secret_is_base64="false", postgrest_url=postgrest.url
        )
    assert report.problems + report.warnings == []


def test_the_verb_prints_what_was_found_and_exits_with_0_or_1(environ: Environ, site: Environ) -> None:
    def run(**changes: str) -> tuple[int, str]:
        own = {name.removeprefix("POSTGATE_").lower(): value for name, value in site.items()}
        shown = Console(environ)("check", **{**own, "connections": "100", **changes})
        assert shown.stderr == ""
        return shown.status, shown.stdout

    status, report = run()
    assert status == 0
    assert report.endswith("\n0 problems, 0 warnings\n")
    status, report = run(jwt_secret=OTHER_SECRET)
    assert status == 1
    assert (
        "\nproblem      PostgREST has another JWT secret than the gateway.\n             -> Give PGRST"
        in report
    )
    assert report.endswith("\n1 problem, 0 warnings\n")
    assert OTHER_SECRET not in report


# --- the gateway's login


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (NOWHERE, "nothing listens at that address"),
        (f"postgresql://gateway:{PASSWORD}@127.0.0.1:1/app", "nothing listens at that address"),
        (f"postgresql://gateway:{PASSWORD}@nowhere.invalid/app", "its host name is unknown"),
    ],
)
async def test_a_database_that_is_down(site: Environ, url: str, why: str) -> None:
    report = await check(site, database_url=url)
    assert report.problems == [f"The gateway's login cannot connect to the database: {why}."]
    # the rest is looked at all the same
    assert "Every migration is applied." in report.texts(Level.OK)


async def test_a_database_of_another_name(own_site: Environ, database: Database) -> None:
    report = await check(own_site, database_url=replace(database, name="nowhere").gateway_dsn)
    assert report.problems == [
        "The gateway's login cannot connect to the database: it has no database of that name."
    ]


async def test_a_login_that_does_not_exist(own_site: Environ, database: Database) -> None:
    report = await check(own_site, database_url=database.dsn("nobody"))
    assert report.problems == ["The gateway's login cannot connect to the database: it rejects this user."]


async def test_a_login_that_may_not_become_anon(own_site: Environ, database: Database, role: str) -> None:
    report = await check(own_site, database_url=database.dsn(role))
    assert report.problems == ["The gateway's login may not become the role anon."]
    fix = report.fix(report.problems[0])
    assert fix == "grant anon to stranger;"

    database.execute(fix)
    assert (await check(own_site, database_url=database.dsn(role))).problems == []


async def test_a_superuser(own_site: Environ, database: Database) -> None:
    report = await check(own_site, database_url=database.owner_dsn)
    assert report.problems == []
    assert [text.partition(":")[0] for text in report.warnings] == ["The gateway's login is a superuser"]


async def test_a_role_that_does_not_exist(site: Environ) -> None:
    report = await check(site, anon_role="Nobody")
    assert 'The anonymous role "Nobody" does not exist.' in report.problems
    assert 'PostgREST\'s login may not become these roles of clients: "Nobody".' in report.problems


async def test_a_database_that_is_read_only(own_site: Environ, database: Database) -> None:
    database.execute(f'alter database "{database.name}" set default_transaction_read_only = on')
    report = await check(own_site)
    assert "The gateway's connection is read-only: no user can sign in." in report.problems


@pytest.mark.parametrize("name", ["app.settings.jwt_secret", "app.jwt_secret", "pgrst.jwt_secret"])
async def test_a_secret_that_every_role_can_read(own_site: Environ, database: Database, name: str) -> None:
    database.execute(f"alter database \"{database.name}\" set {name} = '{PASSWORD}'")
    report = await check(own_site)
    assert report.problems == []
    assert report.warnings == ["The JWT secret is stored in the database, where every role can read it."]


# --- the auth functions


async def test_functions_that_are_missing(own_site: Environ, database: Database) -> None:
    database.execute("drop function auth.logout()")
    report = await check(own_site, auth_functions="login,logout,Sign_out")
    assert report.problems == ['The database lacks the auth functions auth.logout, auth."Sign_out".']


async def test_a_schema_that_is_missing(site: Environ) -> None:
    report = await check(site, auth_schema="elsewhere", auth_functions="login,logout")
    assert report.problems == ["The database lacks the auth functions elsewhere.login, elsewhere.logout."]


@pytest.mark.parametrize(
    ("mistake", "problem"),
    [
        (
            "revoke execute on function auth.login(text, text) from anon",
            "The role anon may not execute auth.login.",
        ),
        ("revoke usage on schema auth from anon", "The role anon may not use the schema auth."),
    ],
)
async def test_a_grant_that_is_missing(
    own_site: Environ, database: Database, mistake: str, problem: str
) -> None:
    database.execute(mistake)
    report = await check(own_site)
    assert report.problems == [problem]

    database.execute(report.fix(problem))
    assert (await check(own_site)).problems == []


async def test_functions_of_somebody_else(stack: DevStack, site: Environ) -> None:
    with stack.fresh_database(prepared=False) as own:
        own.execute(
            "create schema auth; grant usage on schema auth to anon;"
            "create function auth.login(email text, pass text) returns text language sql as $$ select '' $$"
        )
        report = await check(
            site, database_url=own.gateway_dsn, owner_database_url=own.owner_dsn, auth_functions="login"
        )
    assert report.problems == []
    assert report.not_checked == ["How the auth functions sign tokens: they are not Postgate's own."]


MINT = (
    "create function auth.mint_tokens(subject text, role text default 'member') returns void"
    " language sql security definer as 'select 1';"
)


@pytest.mark.parametrize(
    ("grants", "why"),
    [
        ("", "No role has this grant."),  # the default privileges of `postgate migrate`
        (
            "grant execute on function auth.mint_tokens to signed_in",
            "Its owner has restricted it: only signed_in may.",
        ),
        (
            "alter default privileges grant execute on functions to public",
            "Its owner has restricted it: the right was revoked.",
        ),
    ],
)
async def test_no_grant_opens_a_function_that_may_sign_in_whoever_it_is_asked_to(
    own_site: Environ, database: Database, grants: str, why: str
) -> None:
    database.execute(MINT + grants)
    report = await check(own_site, auth_functions="login,logout,refresh_token,mint_tokens")
    assert report.problems == [f"The role anon may not execute auth.mint_tokens. {why}"]
    assert [finding.sql for finding in report.findings if finding.sql] == []
    assert (await check(own_site)).problems == []  # once it is taken out


async def test_a_schema_is_not_opened_with_more_in_it_than_the_auth_functions(
    own_site: Environ, database: Database
) -> None:
    database.execute(
        "revoke usage on schema auth from anon;"
        + MINT
        + "grant execute on function auth.mint_tokens to public; grant select on auth.event to anon"
    )
    report = await check(own_site)
    fix = report.fix("The role anon may not use the schema auth.")
    assert "auth.mint_tokens(text,text)" in fix
    assert "auth.event" in fix
    assert fix.endswith(".")


@pytest.mark.parametrize("power", ["superuser", "bypassrls", "createrole"])
async def test_an_anonymous_role_with_powers_is_granted_to_no_login(
    own_site: Environ, database: Database, role: str, power: str
) -> None:
    database.execute(f"alter role {role} {power}")
    report = await check(own_site, anon_role=role)
    assert "The anonymous role stranger has more rights than an anonymous client may have" in repr(report)
    assert [finding.sql for finding in report.findings if f"to {role}" in finding.sql] == []
    assert not any(f"grant {role}" in finding.sql for finding in report.findings)


REFRESH = "create function auth.refresh_token"
TWO = "".join(f"{REFRESH}({arguments}) returns void language sql as '';" for arguments in ("", "a int = 1"))


@pytest.mark.parametrize(
    ("functions", "sql", "reason"),
    [
        ("login,logout", "", "is missing."),
        (
            "login,refresh_token",
            f"{REFRESH}(t uuid) returns void language sql as ''",
            "takes other arguments",
        ),
        ("login,refresh_token", f"{REFRESH}() returns void stable language sql as ''", "is not volatile"),
        (
            "login,refresh_token",
            TWO,
            "exists more than once with these arguments",
        ),
    ],
    ids=["missing", "takes an argument", "stable", "two"],
)
async def test_a_renewal_that_cannot_work(
    own_site: Environ, database: Database, functions: str, sql: str, reason: str
) -> None:
    database.execute(f"drop function auth.refresh_token(); {sql}")
    database.execute("grant execute on all functions in schema auth to anon")
    report = await check(own_site, auth_functions=functions)
    [warning] = report.warnings
    assert warning.startswith(f"Sessions cannot be renewed: auth.refresh_token {reason}")
    assert report.fix(warning).startswith("Set POSTGATE_RENEWAL=false")
    assert (await check(own_site, auth_functions=functions, renewal="false")).warnings == []


@pytest.mark.parametrize("body", ["json", "jsonb"])
async def test_a_renewal_by_a_function_that_takes_the_body_is_well(
    own_site: Environ, database: Database, body: str
) -> None:
    database.execute(f"drop function auth.refresh_token(); {REFRESH}({body}) returns void language sql as ''")
    database.execute("grant execute on all functions in schema auth to anon")
    assert (await check(own_site)).warnings == []


# --- migrations, and how SQL signs


async def test_a_database_that_was_never_migrated(stack: DevStack, site: Environ) -> None:
    with stack.fresh_database(prepared=False) as own:
        report = await check(site, database_url=own.gateway_dsn, owner_database_url=own.owner_dsn)
    assert report.problems == [
        "The database lacks the auth functions auth.login, auth.logout, auth.refresh_token.",
        "The database is not up to date. No migration was ever applied.",
    ]
    assert report.fix(report.problems[1]) == "Run `postgate migrate`."


async def test_a_migration_to_come(own_site: Environ, database: Database) -> None:
    *_, last, routines = load()
    database.execute(
        "delete from postgate.migration where version = (select max(version) from postgate.migration)"
    )
    report = await check(own_site)
    assert report.problems == [
        f"The database is not up to date. 2 not applied: {last.name}, {routines.name}."
    ]


@pytest.mark.parametrize(
    ("mistake", "beginning"),
    [
        ("update postgate.migration set checksum = repeat('0', 64) where version = 3", load()[2].name),
        ("insert into postgate.migration values (9999, '9999_later')", "The database is at migration 9999"),
    ],
)
async def test_migrations_of_another_release(
    own_site: Environ, database: Database, mistake: str, beginning: str
) -> None:
    database.execute(mistake)
    [problem] = (await check(own_site)).problems
    assert problem.startswith(beginning)


async def test_sql_that_signs_with_another_key(own_site: Environ, database: Database) -> None:
    database.execute(
        "create or replace function auth_private.jwt_key() returns bytea language sql as"
        r" $$ select '\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'::bytea $$"
    )
    report = await check(own_site)
    assert report.problems == ["The gateway rejects the tokens that the SQL functions sign: bad signature."]


async def test_sql_that_cannot_sign(own_site: Environ, database: Database) -> None:
    database.execute("drop function auth_private.jwt_key()")
    [problem] = (await check(own_site)).problems
    assert problem.startswith("The SQL functions cannot sign a token: ")
    assert problem.endswith("(42883).")


async def test_a_server_that_would_log_the_secret_does_not_get_it(
    own_site: Environ, database: Database, stack: DevStack
) -> None:
    database.execute(f"alter database {database.name} set log_statement = 'all'")
    report = await check(own_site)
    text = "How the SQL functions sign tokens: the server would write the secret into its log."
    assert report.problems == []
    assert report.not_checked == [text]
    log = stack.postgres.log.read_text()
    assert "set local role auth_owner" in log
    assert stack.jwt_secret not in log

    database.execute(report.fix(text))
    assert (await check(own_site)).not_checked == []


async def test_without_the_owners_login_the_rest_is_checked(site: Environ) -> None:
    report = await check(site, owner_database_url="")
    assert report.problems == []
    assert report.not_checked == [
        "Only the owner may see which migrations were applied.",
        "Only the owner may see how the SQL functions sign tokens.",
    ]


async def test_an_owners_login_that_is_wrong(site: Environ) -> None:
    report = await check(site, owner_database_url=NOWHERE)
    assert report.problems == [
        "The owner's login cannot connect to the database: nothing listens at that address."
    ]


async def test_a_database_that_is_down_is_said_once_without_an_owners_login(site: Environ) -> None:
    report = await check(site, database_url=NOWHERE, owner_database_url="")
    assert report.problems == [
        "The gateway's login cannot connect to the database: nothing listens at that address."
    ]


# --- PostgREST


@contextmanager
def running(stack: DevStack, options: Any, database: Database | None = None) -> Iterator[Postgrest]:
    postgrest = stack.start_postgrest(options, database=database)
    try:
        yield postgrest
    finally:
        postgrest.stop()


@pytest.fixture
def postgrest_with(stack: DevStack) -> Callable[..., AbstractContextManager[Postgrest]]:
    """A PostgREST of one's own: options, or PGRST_* variables by their short names."""

    def start(database: Database | None = None, **variables: str) -> AbstractContextManager[Postgrest]:
        named = {f"PGRST_{name.upper()}": value for name, value in variables.items()}
        return running(stack, replace(stack.options, environ=named), database)

    return start


async def test_postgrest_that_is_down(site: Environ) -> None:
    for url in ("unix:/nowhere/postgrest.sock", "http://127.0.0.1:1"):
        report = await check(site, postgrest_url=url)
        assert report.problems == [
            "PostgREST is unreachable: nothing listens there, or this user may not connect."
        ]
        assert "Every migration is applied." in report.texts(Level.OK)


def test_a_name_that_is_not_known_is_told(environ: Environ) -> None:
    named = {
        "database_url": "postgresql://gateway@nowhere.invalid/app",
        "postgrest_url": "http://nowhere.invalid",
    }
    shown = Console(environ)("check", jwt_secret=OTHER_SECRET, **named)
    assert "The gateway's login cannot connect to the database: its host name is unknown." in shown.stdout
    assert "PostgREST is unreachable: the name nowhere.invalid is unknown." in shown.stdout


async def test_postgrest_that_never_answers(site: Environ, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "RESPONSE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        report = await check(site, postgrest_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert report.problems == ["PostgREST is unreachable: there is no response within 0.2 s."]


async def test_a_server_that_does_not_speak_http(own_site: Environ, database: Database) -> None:
    socket_ = next(database.socket_folder.glob(".s.PGSQL.*[0-9]"))
    report = await check(own_site, postgrest_url=f"unix:{socket_}")
    assert report.problems == ["PostgREST is unreachable: the server there does not speak HTTP."]


async def test_another_server_in_its_place(site: Environ) -> None:
    with website() as url:
        report = await check(site, postgrest_url=url)
    assert report.problems == ["The server at PostgREST's address is not PostgREST, or checks no tokens."]


@contextmanager
def website() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Website) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Website(BaseHTTPRequestHandler):
    """Welcomes everybody."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>Welcome</h1>")

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass


async def test_a_proxy_of_the_environment_gets_no_token(
    site: Environ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")
    assert (await check(site)).problems == []


async def test_another_secret(site: Environ) -> None:
    report = await check(site, jwt_secret=OTHER_SECRET)
    assert report.problems == ["PostgREST has another JWT secret than the gateway."]


@pytest.mark.parametrize("is_base64", ["true", "false"])
async def test_the_same_secret_read_in_two_ways(
    stack: DevStack, site: Environ, postgrest_with: Callable[..., Any], is_base64: str
) -> None:
    other = "false" if is_base64 == "true" else "true"
    with postgrest_with(jwt_secret_is_base64=other) as postgrest:
        report = await check(site, jwt_secret_is_base64=is_base64, postgrest_url=postgrest.url)
    assert report.problems == [
        "Gateway and PostgREST have the same JWT secret, but one reads it as base64, the other as text."
    ]


async def test_a_key_of_postgrest_that_stands_in_a_manual(
    stack: DevStack, site: Environ, postgrest_with: Callable[..., Any]
) -> None:
    keys = write_ring(
        [oct_jwk(base64.b64decode(stack.jwt_secret), "ours"), oct_jwk(upstream.SAMPLES[0])], is_base64=False
    )
    with postgrest_with(jwt_secret=keys, jwt_secret_is_base64="false") as postgrest:
        report = await check(site, postgrest_url=postgrest.url)
    assert report.problems == ["PostgREST accepts tokens that are signed with a sample secret from a manual."]


async def test_postgrest_without_a_secret(site: Environ, postgrest_with: Callable[..., Any]) -> None:
    with postgrest_with(jwt_secret="") as postgrest:
        report = await check(site, postgrest_url=postgrest.url)
    assert report.problems == ["PostgREST has no JWT secret."]


async def test_another_audience(site: Environ, postgrest_with: Callable[..., Any]) -> None:
    with postgrest_with(jwt_aud="here") as postgrest:
        report = await check(site, jwt_audience="there", postgrest_url=postgrest.url)
        assert report.problems == ["PostgREST expects another audience in tokens."]
        assert (await check(site, jwt_audience="here", postgrest_url=postgrest.url)).problems == []


async def test_another_role_claim(site: Environ, postgrest_with: Callable[..., Any]) -> None:
    with postgrest_with(jwt_role_claim_key=".postgres_role") as postgrest:
        report = await check(site, postgrest_url=postgrest.url)
    assert report.problems == [
        "PostgREST reads the role from another claim than the gateway: every user is anonymous."
    ]


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({}, {"jwt_role_claim_key": ".postgres_role"}),
        ({"role_claim": "app-role"}, {"jwt_role_claim_key": ".role"}),
        ({}, {"db_anon_role": ""}),
        ({"anonymous": "allow"}, {"db_anon_role": ""}),
    ],
)
async def test_a_variable_of_postgrest_is_proposed_with_a_value_that_mends_it(
    site: Environ,
    postgrest_with: Callable[..., Any],
    settings: dict[str, str],
    mistake: dict[str, str],
) -> None:
    with postgrest_with(**mistake) as postgrest:
        report = await check(site, postgrest_url=postgrest.url, **settings)
    [fix] = [
        finding.fix for finding in report.findings if "Set PGRST" in finding.fix or "=anon" in finding.fix
    ]
    [(name, value)] = re.findall(r"PGRST_(\w+)(?: to `|=)([^`\s]+?)(?:`|\.?$| instead)", fix)
    with postgrest_with(**{name.lower(): value}) as postgrest:
        report = await check(site, postgrest_url=postgrest.url, **settings)
    assert not any("PGRST_" in finding.fix for finding in report.findings), report


async def test_a_role_claim_that_sql_does_not_write(
    site: Environ, postgrest_with: Callable[..., Any]
) -> None:
    with postgrest_with(jwt_role_claim_key=".postgres_role") as postgrest:
        report = await check(site, role_claim="postgres_role", postgrest_url=postgrest.url)
    assert report.problems == ["The tokens that the SQL functions sign have no role for the gateway."]


async def test_a_root_that_does_not_answer_leaves_the_role_claim_open(
    site: Environ, postgrest_with: Callable[..., Any]
) -> None:
    with postgrest_with(openapi_mode="disabled") as postgrest:
        report = await check(site, postgrest_url=postgrest.url)
    assert report.problems == []
    assert report.not_checked == [
        "Whether PostgREST reads the role from the same claim: a request for its root fails."
    ]


async def test_an_exposed_auth_schema(site: Environ, postgrest_with: Callable[..., Any]) -> None:
    for schemas in ("api,auth", "auth"):
        with postgrest_with(db_schemas=schemas) as postgrest:
            report = await check(site, postgrest_url=postgrest.url)
        assert report.problems == []
        assert report.warnings == [
            "PostgREST exposes the schema auth: clients can call its functions without the gateway."
        ]


async def test_postgrest_without_an_anonymous_role(site: Environ, postgrest_with: Callable[..., Any]) -> None:
    with postgrest_with(db_anon_role="") as postgrest:
        report = await check(site, postgrest_url=postgrest.url)
        assert report.problems == []
        assert report.warnings == ["PostgREST rejects requests without a token: GET /rest/ needs a session."]
        report = await check(site, anonymous="allow", postgrest_url=postgrest.url)
        assert report.problems == [
            "PostgREST rejects requests without a token, which the gateway would relay."
        ]


async def test_a_login_of_postgrest_that_may_not_become_anon(
    own_site: Environ, postgrest_with: Callable[..., Any], database: Database, role: str
) -> None:
    with postgrest_with(db_uri=database.dsn(role)) as postgrest:
        report = await check(own_site, postgrest_url=postgrest.url)
    assert report.problems == [
        "PostgREST's login may not become these roles of clients: anon, basic_subscriber."
    ]


async def test_a_role_of_users_that_was_not_granted_to_postgrest(
    own_site: Environ, database: Database, role: str, postgrest_with: Callable[..., Any]
) -> None:
    database.execute(f"alter role {role} nologin")
    database.execute(f"select auth.add_user('anna', '$2a$10$' || repeat('a', 53), '{role}')")
    with postgrest_with(database) as postgrest:
        report = await check(own_site, postgrest_url=postgrest.url)
        assert report.problems == ["PostgREST's login may not become these roles of clients: stranger."]
        assert report.fix(report.problems[0]) == "grant stranger to authenticator;"

        database.execute(report.fix(report.problems[0]))
        assert (await check(own_site, postgrest_url=postgrest.url)).problems == []


@pytest.mark.parametrize("power", ["login", "superuser", "bypassrls", "createrole"])
async def test_a_role_with_rights_of_its_own_is_not_proposed_for_a_grant(
    own_site: Environ, database: Database, role: str, postgrest_with: Callable[..., Any], power: str
) -> None:
    database.execute(f"select auth.add_user('anna', '$2a$10$' || repeat('a', 53), '{role}')")
    database.execute(f"alter role {role} nologin; alter role {role} {power}")
    with postgrest_with(database) as postgrest:
        report = await check(own_site, postgrest_url=postgrest.url)
    assert "PostgREST's login may not become these roles of clients: stranger." in report.problems
    assert [finding.sql for finding in report.findings if finding.sql] == []


async def test_postgrest_without_its_database(
    stack: DevStack, site: Environ, postgrest_with: Callable[..., Any]
) -> None:
    lost = stack.create_database()
    with postgrest_with(lost) as postgrest:
        stack.drop_database(lost)
        report = await check(site, postgrest_url=postgrest.url)
    assert report.problems == ["PostgREST cannot reach its database."]
    assert "PostgREST accepts the gateway's tokens, and rejects those of another secret." in report.texts(
        Level.OK
    )


# --- all at once


async def test_every_mistake_is_told_at_once(own_site: Environ, database: Database, tmp_path: Path) -> None:
    database.execute(
        "revoke execute on function auth.login(text, text) from anon; drop function auth.logout()"
    )
    report = await check(own_site, jwt_secret=OTHER_SECRET, owner_database_url=NOWHERE)
    assert report.problems == [
        "The database lacks the auth functions auth.logout.",
        "The role anon may not execute auth.login.",
        "The owner's login cannot connect to the database: nothing listens at that address.",
        "PostgREST has another JWT secret than the gateway.",
    ]
