"""Settings: what is read, what is refused, and that every problem is told by name and never by value."""

import base64
import random
from pathlib import Path

import pytest

from app.settings import SettingsInvalid, load_owner_url, load_settings

KEY = bytes(range(32))
BYTES = bytes(range(224, 256))  # in base64, with all characters that differ between its alphabets
REQUIRED = {
    "POSTGATE_DATABASE_URL": "postgresql://gateway:hunter2@db/app",
    "POSTGATE_JWT_SECRET": base64.b64encode(KEY).decode(),
}
OWNER = "postgresql://owner:hunter2@db/app"


def problems(**changes: str | None) -> list[str]:
    """Of settings that are right but for these; None leaves one out."""
    environ = {**REQUIRED, **{f"POSTGATE_{name.upper()}": value for name, value in changes.items()}}
    with pytest.raises(SettingsInvalid) as invalid:
        load_settings({name: value for name, value in environ.items() if value is not None})
    return invalid.value.problems


# --- what is read


def test_two_settings_are_enough() -> None:
    settings = load_settings(REQUIRED)
    assert settings.jwt_keys == (KEY,)
    assert settings.owner_url == REQUIRED["POSTGATE_DATABASE_URL"]
    assert settings.host == "127.0.0.1"


def test_variables_of_others_are_not_looked_at() -> None:
    assert load_settings({**REQUIRED, "PORT": "x", "PGHOST": "y", "POSTGATED": "z"}) == load_settings(
        REQUIRED
    )


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert load_settings({**REQUIRED, "POSTGATE_PORT": "", "POSTGATE_OWNER_DATABASE_URL": ""}).port == 8000


def test_a_list_is_separated_by_commas() -> None:
    settings = load_settings(
        {**REQUIRED, "POSTGATE_TRUSTED_ORIGINS": "https://a.example, https://b.example:8443,"}
    )
    assert settings.trusted_origins == ("https://a.example", "https://b.example:8443")


def test_an_empty_file_is_a_setting_that_is_not_set(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    assert load_settings({**REQUIRED, "POSTGATE_PORT": "", "POSTGATE_PORT_FILE": str(empty)}).port == 8000


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_setting_may_be_in_a_file(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "secret"
    file.write_text(REQUIRED["POSTGATE_JWT_SECRET"] + ending, newline="")
    environ = {**REQUIRED, "POSTGATE_JWT_SECRET": "", "POSTGATE_JWT_SECRET_FILE": str(file)}
    assert load_settings(environ).jwt_keys == (KEY,)


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(BYTES).decode(),
        base64.urlsafe_b64encode(BYTES).decode(),
        base64.urlsafe_b64encode(BYTES).decode().replace("=", "."),
        base64.b64encode(BYTES).decode() + "\n",
    ],
    ids=["standard", "url-safe", "dots for padding", "a line end"],
)
def test_a_base64_secret_is_read_as_postgrest_reads_it(text: str) -> None:
    assert load_settings({**REQUIRED, "POSTGATE_JWT_SECRET": text}).jwt_keys == (BYTES,)


def test_a_plain_secret_is_its_own_bytes() -> None:
    environ = {
        "POSTGATE_JWT_SECRET": "a plain text secret of 32 bytes é",
        "POSTGATE_JWT_SECRET_IS_BASE64": "false",
    }
    assert load_settings({**REQUIRED, **environ}).jwt_keys == (b"a plain text secret of 32 bytes \xc3\xa9",)


# --- what is refused


@pytest.mark.parametrize("name", ["database_url", "jwt_secret"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_must_be_set_is_missed(name: str, value: str | None) -> None:
    assert problems(**{name: value}) == [f"POSTGATE_{name.upper()} is not set"]


@pytest.mark.parametrize(
    "secret",
    [
        b"",
        b"   ",
        b"secret",
        b"0123456789abcdefghijklmnopqrstu",
        b"q" * 40,
        b"reallyreallyreallyreallyverysafe",
    ],
)
@pytest.mark.parametrize("is_base64", [True, False])
def test_a_weak_secret_is_refused(secret: bytes, *, is_base64: bool) -> None:
    text = base64.b64encode(secret).decode() if is_base64 else secret.decode()
    [problem] = problems(jwt_secret=text, jwt_secret_is_base64=str(is_base64).lower())
    assert problem.startswith("POSTGATE_JWT_SECRET ")
    assert len(text) < 4 or text not in problem


def test_blanks_are_no_secret() -> None:
    [problem] = problems(jwt_secret=" \n")
    assert problem == "POSTGATE_JWT_SECRET has 0 bytes, and HS256 needs at least 32"


def test_a_plain_secret_is_not_guessed_to_be_base64() -> None:
    [problem] = problems(jwt_secret="not base64, but forty characters of text")
    assert "set POSTGATE_JWT_SECRET_IS_BASE64=false" in problem


@pytest.mark.parametrize(
    "url",
    [
        "mysql://gateway:hunter2@db/app",
        "gateway:hunter2@db/app",
        "postgresql://gateway:hunter2/@db/app",
        "postgresql://gateway:hunter2#@db/app",
        "postgresql://[db",
    ],
)
def test_a_url_that_a_driver_would_misread_is_refused(url: str) -> None:
    [problem] = problems(database_url=url)
    assert problem.startswith("POSTGATE_DATABASE_URL is not postgresql://user:password@host:port/database")
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    "url",
    [
        "postgres://gateway@db/app",
        "postgresql://gateway:p%2Fw%40%23@db:5432/app?sslmode=require",
        "postgresql://gateway@/app?host=/run/postgresql&port=5432",
        "postgresql://gateway@one:5432,two:5432/app",
    ],
)
def test_the_urls_that_drivers_read_are_taken(url: str) -> None:
    assert load_settings({**REQUIRED, "POSTGATE_DATABASE_URL": url}).owner_url == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://127.0.0.1:3000",
            "http://postgrest",
            "http://my_db-2.app.internal.:3000",
            "http://a." + "b" * 63,
        ),
        *("http://[::1]:3000/", "http://[::1]", "http://[fe80::1%eth0]:3000", "unix:/run/P.sock"),
    ],
)
def test_the_addresses_of_postgrest_are_taken(url: str) -> None:
    assert load_settings({**REQUIRED, "POSTGATE_POSTGREST_URL": url}).postgrest_url == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "spelled"),
    [
        ("HTTP://PostgREST:03000/", "http://postgrest:3000"),
        ("Http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"),
        ("http://[FE80::A%Eth0]", "http://[fe80::a%Eth0]"),
    ],
)
def test_an_address_has_one_spelling(url: str, spelled: str) -> None:
    settings = load_settings({**REQUIRED, "POSTGATE_POSTGREST_URL": url, "POSTGATE_ROUTES": f"/files/ {url}"})
    assert settings.postgrest_url == settings.routes[0].upstream == spelled


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@db:3000",
        "https://postgrest:3000",
        "http://postgrest:3000/api",
        "http://postgrest:3000?x=1",
        "http://postgrest:3000#x",
        "http://postgrest:99999",
        "http://postgrest:port",
        "http://[::1",
        "http://:3000",
        "http://postgrest:0",
        "http://postgrest:",
        "http://a..b:3000",
        "http://.postgrest:3000",
        f"http://{'a' * 64}.example:3000",
        "http://p\u017ftgrest:3000",
        "http://post grest:3000",
        "http://[::1]x:3000",
        "http://[::::]:3000",
        "http://[1.2.3.4]:3000",
        "http://postgrest:3000\n/",
        "unix:run/p.sock",
        "postgrest:3000",
        "http://127.0.0.1:8000",
        "http://localhost:8000",
        "HTTP://LocalHost:8000/",
    ],
)
def test_an_address_that_loses_something_or_comes_back_is_refused(url: str) -> None:
    [problem] = problems(postgrest_url=url)
    assert problem.startswith("POSTGATE_POSTGREST_URL ")
    assert "hunter2" not in problem


@pytest.mark.parametrize("host", ["::1", "Gateway.Example"])
def test_the_gateways_own_address_is_refused_however_it_is_written(host: str) -> None:
    address = f"[{host}]" if ":" in host else host
    assert problems(host=host, postgrest_url=f"http://{address}:8000") == [
        "POSTGATE_POSTGREST_URL is the gateway's own address"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "http"),
        ("port", "65536"),
        ("port", "-1"),
        ("workers", "0"),
        ("workers", "many"),
        ("idle_seconds", "10 minutes"),
        ("idle_seconds", "-1"),
        ("idle_seconds", "0"),
        ("idle_seconds", "nan"),
        ("drain_seconds", "inf"),
        ("drain_seconds", "1e300"),
        ("body_bytes", "-1"),
        ("head_bytes", "64k"),
        ("jwt_leeway_seconds", "31"),
        ("jwt_secret_is_base64", "maybe"),
        ("anon_role", 'anon"; drop'),
        ("auth_schema", "auth.private"),
        ("auth_functions", "login,log out"),
        ("access_cookie", "a b"),
        ("refresh_cookie", "a;b"),
        ("cookie_secure", "yes"),
        ("cookie_prefix", "secure"),
        ("anonymous", "true"),
        ("trusted_origins", "*"),
        ("trusted_origins", "https://app.example/"),
        ("trusted_origins", "null"),
        ("trusted_proxies", "proxy.example"),
        ("trusted_proxies", "0.0.0.0/0"),
        ("trusted_proxies", "::/0"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name_and_not_by_value(name: str, value: str) -> None:
    told = problems(**{name: value})
    assert told
    for problem in told:
        assert problem.startswith(f"POSTGATE_{name.upper()} ")
        assert len(value) < 3 or value not in problem.removeprefix(f"POSTGATE_{name.upper()}")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"access_cookie": "session", "refresh_cookie": "session"}, "REFRESH_COOKIE"),
        ({"admin_port": "8000"}, "ADMIN_PORT"),
        ({"cookie_secure": "never", "host": "::"}, "COOKIE_SECURE"),
        ({"cookie_secure": "never", "cookie_prefix": "host"}, "COOKIE_PREFIX"),
        ({"access_cookie": "__Host-session", "cookie_prefix": "host"}, "ACCESS_COOKIE"),
        ({"refresh_cookie": "__secure-session", "cookie_prefix": "host"}, "REFRESH_COOKIE"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, str], name: str) -> None:
    [problem] = problems(**changes)
    assert problem.startswith(f"POSTGATE_{name}")


def test_a_name_that_is_no_setting_is_refused_and_the_likely_one_told() -> None:
    assert problems(jwt_secert="hunter2") == [
        "POSTGATE_JWT_SECERT is not a setting; is it POSTGATE_JWT_SECRET?"
    ]
    assert problems(frobnicate="hunter2") == ["POSTGATE_FROBNICATE is not a setting"]
    assert problems(prot_file="hunter2") == ["POSTGATE_PROT_FILE is not a setting; is it POSTGATE_PORT?"]


def test_a_setting_and_its_file_are_one_too_many(tmp_path: Path) -> None:
    assert problems(port="8000", port_file=str(tmp_path)) == [
        "POSTGATE_PORT_FILE and POSTGATE_PORT are both set"
    ]


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    (tmp_path / "zeros").write_bytes(bytes(64))
    (tmp_path / "large").write_bytes(b"1" * 1_048_577)
    for path, words in {
        "": "cannot be read: Is a directory",
        "missing": "cannot be read: No such file or directory",
        "latin": "is not UTF-8",
        "zeros": "has NUL characters: if it is UTF-16, save it as UTF-8",
        "large": "is too large to be a setting",
    }.items():
        assert problems(jwt_audience_file=f"{tmp_path}/{path}") == [
            f"POSTGATE_JWT_AUDIENCE_FILE names a file that {words}"
        ]


# --- all at once

BROKEN = {
    "database_url": "hunter2",
    "jwt_secret": "hunter2",
    "jwt_audience_file": "/hunter2",
    "postgrest_url": "hunter2",
    "port": "hunter2",
    "idle_seconds": "hunter2",
    "cookie_secure": "hunter2",
    "trusted_origins": "hunter2",
    "trusted_proxies": "hunter2/8",
    "auth_functions": "hunter2 hunter2",
    "hunter": "hunter2",
}


@pytest.mark.parametrize("seed", range(30))
def test_any_problems_are_reported_in_full_and_no_value_with_them(seed: int) -> None:
    chosen = random.Random(seed).sample(sorted(BROKEN), k=1 + seed % len(BROKEN))  # noqa: S311
    told = problems(**{name: BROKEN[name] for name in chosen})
    named = {problem.split()[0].removeprefix("POSTGATE_").lower() for problem in told}
    assert named == set(chosen)
    assert "hunter2" not in "\n".join(told)


def test_a_contradiction_is_told_beside_what_is_missing() -> None:
    told = problems(database_url=None, jwt_secret="c2hvcnQ=", refresh_cookie="access_token", port="x")
    assert [problem.split()[0] for problem in told] == [
        "POSTGATE_PORT",
        "POSTGATE_DATABASE_URL",
        "POSTGATE_JWT_SECRET",
        "POSTGATE_REFRESH_COOKIE",
    ]


def test_a_secret_is_not_judged_while_nobody_knows_how_to_read_it() -> None:
    [problem] = problems(jwt_secret="forty characters of text, not of base64!", jwt_secret_is_base64="maybe")
    assert problem.startswith("POSTGATE_JWT_SECRET_IS_BASE64 ")


def test_settings_do_not_show_their_secrets() -> None:
    settings = load_settings({**REQUIRED, "POSTGATE_OWNER_DATABASE_URL": OWNER})
    shown = f"{settings!r} {settings}"
    assert "hunter2" not in shown
    assert REQUIRED["POSTGATE_JWT_SECRET"] not in shown


# --- the owner's verbs


def test_the_owners_url_needs_no_other_setting() -> None:
    assert load_owner_url({"POSTGATE_OWNER_DATABASE_URL": OWNER}) == OWNER


def test_the_owners_url_is_the_gateways_if_there_is_no_other() -> None:
    assert load_owner_url(REQUIRED) == REQUIRED["POSTGATE_DATABASE_URL"]
    assert load_owner_url({**REQUIRED, "POSTGATE_OWNER_DATABASE_URL": OWNER}) == OWNER


def test_the_owners_verbs_do_not_mind_what_they_do_not_need() -> None:
    # A one-shot container has the gateway's variables, but not its files
    environ = {"POSTGATE_OWNER_DATABASE_URL": OWNER, "POSTGATE_JWT_SECRET_FILE": "/run/secrets/none"}
    assert load_owner_url({**environ, "POSTGATE_PORT": "x"}) == OWNER


def test_the_owners_url_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(OWNER + "\n")
    assert load_owner_url({"POSTGATE_OWNER_DATABASE_URL_FILE": str(file)}) == OWNER


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ["POSTGATE_OWNER_DATABASE_URL is not set, and neither is POSTGATE_DATABASE_URL"]),
        (
            {"POSTGATE_OWNER_DATABSE_URL": OWNER, **REQUIRED},
            ["POSTGATE_OWNER_DATABSE_URL is not a setting; is it POSTGATE_OWNER_DATABASE_URL?"],
        ),
        (
            {"POSTGATE_DATABASE_URL_FILE": "/missing"},
            ["POSTGATE_DATABASE_URL_FILE names a file that cannot be read: No such file or directory"],
        ),
    ],
)
def test_the_owners_url_is_missed(environ: dict[str, str], expected: list[str]) -> None:
    with pytest.raises(SettingsInvalid) as invalid:
        load_owner_url(environ)
    assert invalid.value.problems == expected


def test_an_owners_url_that_a_driver_would_misread_is_refused() -> None:
    with pytest.raises(SettingsInvalid) as invalid:
        load_owner_url({"POSTGATE_OWNER_DATABASE_URL": "postgresql://owner:hunter2#@db/app"})
    [problem] = invalid.value.problems
    assert problem.startswith("POSTGATE_OWNER_DATABASE_URL is not postgresql://")
    assert "hunter2" not in problem


def test_a_prefix_of_postgrest_is_no_other_services() -> None:
    routes = "/rest/ http://files:9000"
    assert problems(routes=routes) == [
        "POSTGATE_ROUTES has /rest/, which POSTGATE_REST_PREFIX gives to PostgREST"
    ]
    moved = load_settings({**REQUIRED, "POSTGATE_ROUTES": routes, "POSTGATE_REST_PREFIX": "/rest/v1/, /"})
    assert moved.rest_prefix == ("/rest/v1/", "/")


def test_the_secret_is_never_published() -> None:
    secret = "only-the-gateway-may-know-this-text"
    assert problems(jwt_secret=secret, jwt_secret_is_base64="false", published_key=secret) == [
        "POSTGATE_PUBLISHED_KEY is the JWT secret, which must not be published"
    ]
