"""Connection strings: read as psql reads them, and handed to the driver so that it reads the same."""

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import SettingsInvalid, load_owner_url, load_settings
from app.settings.dsn import read_dsn
from app.settings.libpq import RULES

PASSWORD = "hunter2"
connect_utils: Any = import_module("asyncpg.connect_utils")


def driver_reads(url: str) -> dict[str, Any]:
    """What asyncpg makes of a URL."""
    names = inspect.signature(connect_utils._parse_connect_dsn_and_args).parameters
    places, parameters = connect_utils._parse_connect_dsn_and_args(**{**dict.fromkeys(names), "dsn": url})
    return {
        "places": places,
        "login": (parameters.user, parameters.password, parameters.database),
        "ssl": parameters.sslmode.name,
        "settings": parameters.server_settings or {},
        "session": parameters.target_session_attrs.value,
    }


@pytest.fixture(autouse=True)
def _no_variables_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)


PLACES = {
    "postgresql://u:p@db/app": ([("db", 5432)], ("u", "p", "app")),
    "postgres://u:p@db:6543/app": ([("db", 6543)], ("u", "p", "app")),
    "postgresql://u:a%2Fb%40c%23d%3Fe%25@db/app": ([("db", 5432)], ("u", "a/b@c#d?e%", "app")),
    "postgresql://u:p%C3%A9@db/app": ([("db", 5432)], ("u", "pé", "app")),
    "postgresql://u:a:b@db/app": ([("db", 5432)], ("u", "a:b", "app")),
    "postgresql://u:a+b@db/app": ([("db", 5432)], ("u", "a+b", "app")),
    "postgresql://u@db/app?password=a+b": ([("db", 5432)], ("u", "a+b", "app")),
    "postgresql://u@[::1]:5433/app": ([("::1", 5433)], ("u", None, "app")),
    "postgresql://u@[fe80::1%25eth0]/app": ([("fe80::1%eth0", 5432)], ("u", None, "app")),
    "postgresql://u@[fe80::1%25eth0]/app?connect_timeout=3": ([("fe80::1%eth0", 5432)], ("u", None, "app")),
    "postgresql://u@/app?host=/run/postgresql": (["/run/postgresql/.s.PGSQL.5432"], ("u", None, "app")),
    "postgresql://u@%2Frun%2Fpostgresql/app": (["/run/postgresql/.s.PGSQL.5432"], ("u", None, "app")),
    "postgresql://u@/app?host=/run/postgresql&port=6000": (
        ["/run/postgresql/.s.PGSQL.6000"], ("u", None, "app")
    ),
    "postgresql://u@one:5432,two:5433/app": ([("one", 5432), ("two", 5433)], ("u", None, "app")),
    "postgresql://u@one,two:5433/app?keepalives=1": ([("one", 5432), ("two", 5433)], ("u", None, "app")),
    "postgresql://u@/app?host=one,two&port=6000": ([("one", 6000), ("two", 6000)], ("u", None, "app")),
    "postgresql://u@one/app?host=two": ([("two", 5432)], ("u", None, "app")),  # the later one, as in libpq
    "postgresql://u@db": ([("db", 5432)], ("u", None, "u")),
    "postgresql://u@db/?sslmode=disable": ([("db", 5432)], ("u", None, "u")),
    "postgresql://u@db?dbname=app": ([("db", 5432)], ("u", None, "app")),
    "postgresql://u@/app?hostaddr=10.0.0.1": ([("10.0.0.1", 5432)], ("u", None, "app")),
    "host=db user=u dbname=app": ([("db", 5432)], ("u", None, "app")),
    "host = db  port=5433 user= u password='a b\\'c\\\\' dbname=app": (
        [("db", 5433)], ("u", "a b'c\\", "app")
    ),
    "host=/run/postgresql user=u dbname=app": (["/run/postgresql/.s.PGSQL.5432"], ("u", None, "app")),
    "host=::1 user=u dbname=app": ([("::1", 5432)], ("u", None, "app")),
    "user=u\nhost=db\ndbname=app\n": ([("db", 5432)], ("u", None, "app")),
    " postgresql://u@db/app ": ([("db", 5432)], ("u", None, "app")),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PLACES.items())
def test_the_driver_reads_what_psql_reads(text: str, expected: tuple[object, object]) -> None:
    seen = driver_reads(read_dsn(text))
    assert (seen["places"], seen["login"]) == expected
    assert seen["settings"] == {}


PROVIDERS = {
    "Heroku": ("postgres://u:p@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d123", "prefer"),
    "RDS": ("postgresql://u:p@app.abc.eu-west-1.rds.amazonaws.com:5432/app?sslmode=require", "require"),
    "Neon, without channel binding": ("postgresql://u:p@ep-x-pooler.neon.tech/d?sslmode=require", "require"),
    "Supabase": ("postgresql://postgres.ref:p@aws-0-eu.pooler.supabase.com:6543/postgres", "prefer"),
    "JDBC's spelling, which libpq takes": ("postgresql://u:p@db/app?ssl=true", "require"),
    "DigitalOcean": ("postgresql://u:p@x-0.db.ondigitalocean.com:25060/d?sslmode=require", "require"),
    "Azure, as pairs": ("host=x.azure.com port=5432 dbname=d user=u password=p sslmode=require", "require"),
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_providers_hand_out_is_taken(name: str) -> None:
    text, mode = PROVIDERS[name]
    assert driver_reads(read_dsn(text))["ssl"] == mode


HARMLESS = [
    "connect_timeout=10", "channel_binding=prefer", "channel_binding=disable", "gssencmode=disable",
    "gssencmode=prefer", "keepalives=1", "keepalives_idle=30", "keepalives_interval=10", "keepalives_count=3",
    "tcp_user_timeout=1", "fallback_application_name=x", "application_name=x", "client_encoding=UTF8",
    "client_encoding=utf-8", "client_encoding=auto", "sslcompression=0", "sslcompression=1",
    "replication=false", "load_balance_hosts=disable", "gssdelegation=0", "sslsni=1",
    "sslcertmode=allow", "min_protocol_version=3.0", "max_protocol_version=latest",
]  # fmt: skip
HONOURED = {
    "sslmode=require": ("ssl", "require"),
    "target_session_attrs=read-write": ("session", "read-write"),
    "options=-c%20statement_timeout%3D5s": ("settings", {"options": "-c statement_timeout=5s"}),
}
REFUSED = [
    "channel_binding=require", "gssencmode=require", "client_encoding=LATIN1", "replication=database",
    "replication=true", "load_balance_hosts=random", "gssdelegation=1", "sslsni=0", "sslcertmode=require",
    "sslcertmode=disable", "min_protocol_version=3.2", "require_auth=scram-sha-256", "require_auth=!password",
    "requirepeer=postgres", "requiressl=1", "sslcrldir=/x", "sslkeylogfile=/x", "scram_client_key=x",
    "scram_server_key=x", "oauth_issuer=x", "oauth_client_id=x", "oauth_client_secret=x", "oauth_scope=x",
    "service=x", "servicefile=x", "hostaddr=10.0.0.1", "sslmode=maybe", "sslmode=verify_full",
    "sslnegotiation=direct", "sslnegotiation=x", "ssl_min_protocol_version=SSLv3",
    "ssl_max_protocol_version=1.2", "target_session_attrs=writable", "sslrootcert=system", "gsslib=x",
]  # fmt: skip
UNKNOWN = ["pgbouncer=true", "schema=public", "statement_timeout=5s", "ssl=require", "connection_limit=1"]


@pytest.mark.parametrize("parameter", HARMLESS)
@pytest.mark.parametrize("form", ["postgresql://u@db/app?{}", "host=db user=u dbname=app {}"])
def test_a_parameter_that_changes_nothing_is_dropped(parameter: str, form: str) -> None:
    seen = driver_reads(read_dsn(form.format(parameter)))
    assert (seen["places"], seen["settings"]) == ([("db", 5432)], {})


@pytest.mark.parametrize(("parameter", "expected"), HONOURED.items())
def test_a_parameter_that_the_driver_knows_is_honoured(parameter: str, expected: tuple[str, object]) -> None:
    aspect, value = expected
    assert driver_reads(read_dsn(f"postgresql://u@db/app?{parameter}"))[aspect] == value


@pytest.mark.parametrize("parameter", [*REFUSED, *UNKNOWN])
@pytest.mark.parametrize("form", ["postgresql://u:hunter2@db/app?{}", "host=db user=u dbname=app {}"])
def test_a_parameter_that_cannot_be_honoured_is_refused_by_name(parameter: str, form: str) -> None:
    with pytest.raises(ValueError, match=rf"has (the parameter )?{parameter.partition('=')[0]}\b") as refused:
        read_dsn(form.format(parameter))
    assert PASSWORD not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_parameter_of_libpq_18_has_a_rule_and_a_test() -> None:
    assert set(RULES) == set(LIBPQ_18.split()) | {"requiressl", "krbsrvname"}
    tested = {each.partition("=")[0] for each in [*HARMLESS, *HONOURED, *REFUSED]}
    files = {"sslcert", "sslkey", "sslpassword", "sslcrl", "passfile"}
    assert set(RULES) - tested - files == {"host", "port", "dbname", "user", "password", "krbsrvname"}


# Of the manual, section "Parameter Key Words"
LIBPQ_18 = """
host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout client_encoding
options application_name fallback_application_name keepalives keepalives_idle keepalives_interval
keepalives_count tcp_user_timeout replication gssencmode sslmode sslnegotiation sslcompression sslcert sslkey
sslkeylogfile sslpassword sslcertmode sslrootcert sslcrl sslcrldir sslsni requirepeer
ssl_min_protocol_version ssl_max_protocol_version min_protocol_version max_protocol_version krbsrvname gsslib
gssdelegation scram_client_key scram_server_key service servicefile target_session_attrs load_balance_hosts
oauth_issuer oauth_client_id oauth_client_secret oauth_scope
"""


def test_the_manual_says_what_becomes_of_each_parameter() -> None:
    page = (Path(__file__).parents[1] / "docs/configuration.md").read_text(encoding="utf-8")
    section = page.partition("### Connection strings")[2].partition("## Tokens")[0]
    honoured, dropped, depending, refused = (
        set(re.findall(r"`(\w+)`", row.split("|")[1]))
        for row in section.splitlines()
        if row.startswith("| `")
    )
    assert honoured | dropped | depending | refused == set(RULES) - {"hostaddr"}
    for name in dropped:
        assert RULES[name]("x") is None
    for name in refused:
        with pytest.raises(ValueError, match=r"\w"):
            RULES[name]("x")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:hunter2/@db/app",
        "postgresql://u:hunter2#@db/app",
        "postgresql://u:hunter2?@db/app",
        "postgresql://u:1?hunter2=b@db/app",
        "postgresql://u:hun@ter2@db/app",
        "postgresql://u:hunter2%zz@db/app",
        "postgresql://u:hunter2%@db/app",
        "postgresql://u:hunter2%00@db/app",
        "postgresql://u:hunter2%FF@db/app",
        "postgresql://u:[hunter2@db/app",
        "postgresql+asyncpg://u:hunter2@db/app",
        "postgresql+psycopg2://u:hunter2@db/app",
        "jdbc:postgresql://db/app?user=u&password=hunter2",
        "mysql://u:hunter2@db/app",
        "//u:hunter2@db/app",
        "u:hunter2@db/app",
        "app",
        "postgresql://u@db:99999/app",
        "postgresql://u@db:x/app",
        "postgresql://u@db:0/app",
        "postgresql://u@one,,two/app",
        "postgresql://u@one,two/app?port=1,2,3",
        "postgresql://u@[::1/app",
        "postgresql://u@[::x]/app",
        "postgresql://u@a b/app",
        "postgresql://u@@name/app",
        "postgresql://u@/app?host=@name",
        "postgresql://u@db/app?hunter2",
        "host=db user=u password=hunter2 x dbname=app",
        "host=db user=u password=a hunter2=b",
        "host=db password='hunter2",
    ],
)  # fmt: skip
def test_a_text_that_can_be_read_in_two_ways_is_refused_without_a_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as refused:
        read_dsn(text)
    assert PASSWORD not in str(refused.value)
    assert "ter2" not in str(refused.value)


@given(
    user=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    password=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    dbname=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
)
def test_pairs_with_any_characters_reach_the_driver_as_they_are(
    user: str, password: str, dbname: str
) -> None:
    def quoted(value: str) -> str:
        return "'" + value.replace("\\", r"\\").replace("'", r"\'") + "'"

    text = f"host=db user={quoted(user)} password={quoted(password)} dbname={quoted(dbname)}"
    assert driver_reads(read_dsn(text))["login"] == (user, password, dbname)


# --- files, and who asks


def problem(url: str) -> str:
    environ = {"POSTGATE_OWNER_DATABASE_URL": url}
    with pytest.raises(SettingsInvalid) as invalid:
        load_owner_url(environ)
    [found] = invalid.value.problems
    with pytest.raises(SettingsInvalid) as invalid:
        load_settings({**environ, "POSTGATE_DATABASE_URL": "postgresql://u@db/app"})
    assert found in invalid.value.problems  # one definition for all verbs
    return found.removeprefix("POSTGATE_OWNER_DATABASE_URL ")


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"])
def test_a_file_that_is_not_there_is_told_at_the_start(name: str) -> None:
    assert problem(f"postgresql://u@db/app?{name}=/nowhere/x").startswith(f"names a file in {name}")


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_verifying_takes_authorities(mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    url = f"postgresql://u@db/app?sslmode={mode}"
    assert problem(url).startswith(f"has sslmode={mode} without sslrootcert")
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql/root.crt").touch()
    assert load_owner_url({"POSTGATE_OWNER_DATABASE_URL": url}) == url


def test_all_verbs_get_the_url_of_the_driver() -> None:
    pairs = "host=db user=u dbname=app connect_timeout=10"
    assert load_owner_url({"POSTGATE_DATABASE_URL": pairs}) == "postgresql://u@db/app"
    settings = load_settings(
        {
            "POSTGATE_DATABASE_URL": pairs,
            "POSTGATE_JWT_SECRET": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        }
    )
    assert settings.database_url.get_secret_value() == settings.owner_url == "postgresql://u@db/app"
