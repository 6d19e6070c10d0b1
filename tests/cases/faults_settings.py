"""Faults of whoever sets a gateway up: settings that must not be, and what a database was told beforehand."""

from importlib.util import find_spec

import pytest
from fastapi import FastAPI
from harness.relay.client import Client
from harness.relay.gateway import DEAD_DATABASE, settings_for
from harness.relay.lane import Lane
from harness.relay.process import gateway_process
from harness.relay.tokens import SECRET
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.devstack import DevStack
from app.devstack.database import run_now
from app.operator.migrations import migrate
from app.proxy.client.protocol import GatewayProtocol
from app.server import worker
from app.server.admin import AdminProtocol
from app.settings import SettingsInvalid, load_settings
from cases.conftest import ALLOWED_ORIGIN
from cases.faults_sessions import JSON, call, cookies_of, lane_with_database, sign_in
from cases.stage import Stage, check_own_answer, fault

SECRET_SETTINGS = ("app.settings.jwt_secret", "app.jwt_secret", "pgrst.jwt_secret", "jwt.secret")
PEEK = """
create function api.peek() returns json language sql stable as $$
  select json_agg(current_setting(name, true)) from unnest(array['{}']) as setting (name)
$$;
grant execute on function api.peek() to anon, basic_subscriber
"""
STORED = "select count(*) from pg_db_role_setting where setconfig::text like '%' || $1 || '%'"
PATTERNS = (
    "https://*.gw.test",
    "https://.*gw.test",
    ".*gw.test",
    "https?://gw.test",
    "^https://gw.test$",
    "*",
)
NEIGHBOURS = (
    "https://evilgw.test",
    "https://gw.test.evil.test",
    "https://gw-test",
    "https://gwxtest",
    "https://sub.gw.test",
    "https://gw.test:8443",
    "https://gw.tes",
    "https://evil.test?https://gw.test",
)


def check_no_such_setting(*names: str) -> None:
    """A setting that nobody reads is no setting: its name is refused."""
    given = {"POSTGATE_DATABASE_URL": DEAD_DATABASE, "POSTGATE_JWT_SECRET": SECRET}
    for name in names:
        with pytest.raises(SettingsInvalid) as invalid:
            load_settings({**given, f"POSTGATE_{name.upper()}": "true"})
        [problem] = invalid.value.problems
        assert problem.startswith(f"POSTGATE_{name.upper()} is not a setting")


def check_foreign(lane: Lane, origin: str) -> None:
    """Pages of this origin neither write nor read, and no preflight lets them."""
    field = f"Origin: {origin}"
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        for fields in ([field], [field, "Sec-Fetch-Site: cross-site"]):
            check_own_answer(lane.client().ask(method, "/rest/items", fields), 403)
    asked = ["Access-Control-Request-Method: POST", field]
    answers = [lane.client().ask("OPTIONS", "/rest/items", asked, token=None)]
    check_own_answer(answers[0], 403)
    assert lane.upstream.nobody_knocks
    with lane.upstream.serving():
        answers.append(lane.client().ask("GET", "/rest/items", [field]))
    for got in answers:
        assert not [name for name, _ in got.head.fields if name.lower().startswith(b"access-control-")]
    lane.finish()
    lane.upstream.forget()


@fault("H06")
def the_secret_asked_for_by_the_roles_of_the_api(stage: Stage) -> None:
    stack: DevStack = stage.fixture("stack")
    secret = stack.jwt_secret
    settings = {"jwt_secret": secret, "jwt_secret_is_base64": stack.options.is_base64}
    lane, database = lane_with_database(stage, **settings)
    database.execute(PEEK.format("','".join(SECRET_SETTINGS)))
    written = cookies_of(sign_in(lane))  # so that SQL was given the secret, and signed with it
    postgrest = stack.start_postgrest(database=database)
    try:
        before = stage.lane_with(
            postgrest_url=postgrest.url, database_url=database.gateway_dsn, anonymous="allow", **settings
        )
        for cookies in ([], [f"Cookie: access_token={written['access_token'][0]}"]):
            got = before.client().ask("GET", "/rpc/peek", cookies, token=None)
            assert (got.status, got.body) == (200, b"[null, null, null, null]")
    finally:
        postgrest.stop()
    for role in ("gateway", "authenticator"):
        for name in SECRET_SETTINGS:
            assert not database.fetch("select current_setting($1, true)", name, role=role)[0][0]
    assert database.fetch(STORED, secret)[0][0] == 0


@fault("H08")
def cookies_for_pages_of_other_sites(stage: Stage) -> None:
    check_no_such_setting("cookie_samesite", "samesite", "cookie_same_site")
    lane, _ = lane_with_database(stage)
    for _, attributes in cookies_of(sign_in(lane)).values():
        assert "SameSite=Lax" in attributes
    for origin in ("https://evil.test", "null"):  # whatever cookies a browser sends with it
        check_foreign(lane, origin)


@fault("H11")
def origins_that_look_like_a_trusted_one(stage: Stage) -> None:
    given = {"POSTGATE_DATABASE_URL": DEAD_DATABASE, "POSTGATE_JWT_SECRET": SECRET}
    for pattern in PATTERNS:
        with pytest.raises(SettingsInvalid) as invalid:
            load_settings({**given, "POSTGATE_TRUSTED_ORIGINS": pattern})
        [problem] = invalid.value.problems
        assert problem.startswith("POSTGATE_TRUSTED_ORIGINS ")
    for origin in NEIGHBOURS:
        check_foreign(stage.lane, origin)
    with stage.lane.upstream.serving():
        got = stage.lane.client().ask("POST", "/rest/items", [f"Origin: {ALLOWED_ORIGIN}"], body=b"{}")
    assert got.head.value(b"Access-Control-Allow-Origin") == ALLOWED_ORIGIN.encode()


@fault("H13")
def pythons_own_switches_for_debugging(stage: Stage) -> None:
    check_no_such_setting("debug", "reload", "traceback", "environment")
    switches = {"PYTHONASYNCIODEBUG": "1", "DEBUG": "1", "FASTAPI_DEBUG": "1"}
    with gateway_process(stage.lane.upstream.url, environment=switches) as gateway:
        with stage.lane.upstream.serving():
            assert gateway.client().ask("GET", "/rest/items").status == 200
        check_own_answer(gateway.client().ask("GET", "/nowhere"), 404)
        got = gateway.client().ask("POST", "/rpc/login", [JSON], body=b"{}", token=None)
        check_own_answer(got, 503)
        assert b"Traceback" not in got.body
        gateway.terminate()
        assert gateway.wait() == 0
        assert "Traceback" not in gateway.log.read_text()


@fault("H14")
def pages_that_a_framework_brings_along(stage: Stage) -> None:
    check_no_such_setting("docs", "docs_url", "openapi", "openapi_url")
    paths = ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect")
    with Client(stage.lane.gateway.admin_port) as admin:
        for path in paths:
            unknown = stage.lane.client().ask("GET", "/nowhere")
            got = stage.lane.client().ask("GET", path)
            assert (got.status, got.body) == (404, unknown.body)
            check_own_answer(stage.lane.client().ask("GET", path, token=None), 401)
            assert admin.ask("GET", path, token=None).status == 404
    assert stage.lane.upstream.nobody_knocks


@fault("H23")
def the_accounts_of_the_demo(stage: Stage) -> None:
    stack: DevStack = stage.fixture("stack")
    with stack.fresh_database(prepared=False) as database:
        run_now(migrate(database.owner_dsn))
        assert database.fetch("select count(*) from auth.user")[0][0] == 0
        lane = stage.lane_with(database_url=database.gateway_dsn)
        for user in (b"demo", b"alice", b"admin", b"postgres"):
            body = b'{"user_":"%b","pass":"%b"}' % (user, user)
            check_own_answer(call(lane, "login", JSON, body=body), 401)


@fault("H27")
def two_parsers_are_installed(stage: Stage) -> None:
    """One reads requests, whatever else is there: these cases are played against the same one."""
    assert find_spec("h11") is not None
    assert find_spec("httptools") is not None
    check_no_such_setting("http", "http_implementation")
    settings = settings_for(stage.lane.upstream.url)
    public, admin = worker._servers(settings, FastAPI(), FastAPI(), lambda: None)
    for served in (public, admin):
        served.config.load()
    assert public.config.http_protocol_class is GatewayProtocol
    assert admin.config.http_protocol_class is AdminProtocol
    assert issubclass(AdminProtocol, HttpToolsProtocol)
    assert issubclass(GatewayProtocol, HttpToolsProtocol)
    with stage.lane.upstream.serving():
        client = stage.lane.client()
        assert client.ask("GET", "/rest/items").status == 200
        assert len(stage.lane.gateway.connections) == len(stage.lane.gateway.gateway.connections) == 1
