"""A gateway that signs with a private key, before a real PostgREST that has the public set alone."""

import contextlib
import json
import os
import re
import signal
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from harness.relay.deadlines import wait_until
from harness.site.client import ask
from harness.site.console import QuickConsole
from harness.site.curl import Curl
from harness.site.gateways import NewGateway
from harness.site.process import GatewayProcess

from app.catalogue import SHIPPED
from app.core.tokens.jwk import hmac_key
from app.core.tokens.mint import mint
from app.devstack import Database, DevStack, Postgrest
from app.devstack.demo import new_key_pair
from app.diagnostics.check import Level, run_checks
from app.settings import MIN_SECRET_BYTES, load_settings
from app.settings.keys import KeyRing, read_ring

CREDENTIALS = ("-H", "Content-Type: application/json", "-d", '{"user_":"demo","pass":"demo"}')
ROLE = "basic_subscriber"


class Place:
    """The gateway reads `ring`, PostgREST `public`; both are files of JSON."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.ring = folder / "jwt_secret"
        self.public = folder / "jwt_public"
        self.console = QuickConsole(environ)
        self.postgrest: Postgrest
        self.database: Database
        self.gateway: GatewayProcess
        self.settings: dict[str, str]

    @property
    def keys(self) -> KeyRing:
        return read_ring(self.ring.read_text().strip(), is_base64=False)

    def run(self, *verb: str) -> str:
        shown = self.console("secret", *verb, str(self.ring))
        assert (shown.status, shown.stderr) == (0, "")
        return shown.stdout

    def publish(self, *options: str) -> None:
        self.public.write_text(self.run("public", *options))

    def reload_postgrest(self) -> None:
        self.database.execute("notify pgrst, 'reload config'")
        newest = self.keys.keys[0]
        wait_until(lambda: self.postgrest_takes(token(newest)), "PostgREST to read its keys again")

    def postgrest_takes(self, text: str) -> bool:
        return ask(self.postgrest.url, "GET", "/", [("Authorization", f"Bearer {text}")]).status == 200

    def gateway_takes(self, text: str) -> bool:
        bearer = [("Authorization", f"Bearer {text}")]
        return ask(self.gateway.url, "GET", "/rest/task?limit=1", bearer).status == 200

    def reload_gateway(self) -> None:
        """Until it signs with the first key."""
        os.kill(self.gateway.pid, signal.SIGHUP)
        kid = self.keys.signing.key_id
        wait_until(lambda: kid in self.published(), "the gateway to read its keys again")

    def published(self) -> list[str]:
        answer = ask(self.gateway.url, "GET", "/.well-known/jwks.json", [])
        return [key["kid"] for key in json.loads(answer.body)["keys"]]

    def visitor(self, name: str = "visitor") -> Curl:
        return Curl(self.gateway.url, self.folder / name)

    def sign_in(self, name: str = "visitor") -> Curl:
        visitor = self.visitor(name)
        assert visitor("/rpc/login", *CREDENTIALS).status == 204
        return visitor


def token(key: Any, role: str = ROLE, **claims: Any) -> str:
    every = {"role": role, "sub": "demo", "username": "demo", "exp": int(time.time()) + 300, **claims}
    return mint(every, key).decode()


def signed_by(visitor: Curl, ring: KeyRing) -> dict[str, Any]:
    """The claims of the visitor's access token, if the ring's first key made it."""
    key = ring.signing
    text = visitor.jar["access_token"]
    assert jwt.get_unverified_header(text) == {"alg": "ES256", "typ": "JWT", "kid": key.key_id}
    return dict(jwt.decode(text, jwt.PyJWK(key.public_jwk()).key, ["ES256"]))


@pytest.fixture(scope="module")
def place(
    stack: DevStack,
    new_gateway: NewGateway,
    environ: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("keys"), environ)
    place.ring.write_text(new_key_pair())
    place.publish()
    options = replace(stack.options, jwt_secret=f"@{place.public}", jwt_secret_is_base64=False)
    with stack.fresh_database() as database:
        place.database = database
        database.execute(LEAK)
        place.postgrest = stack.start_postgrest(options, database=database)
        place.settings = {
            **stack.gateway_environ(),
            "POSTGATE_DATABASE_URL": database.gateway_dsn,
            "POSTGATE_OWNER_DATABASE_URL": database.owner_dsn,
            "POSTGATE_POSTGREST_URL": place.postgrest.url,
            "POSTGATE_JWT_SECRET": "",
            "POSTGATE_JWT_SECRET_FILE": str(place.ring),
            "POSTGATE_AUTH_FUNCTIONS": ",".join((*SHIPPED.public, "leak")),
            "POSTGATE_LOGIN_LIMIT_PAIR": "off",
        }
        place.gateway = new_gateway(place.settings)
        place.gateway.start()
        yield place
        place.gateway.stop()
        place.postgrest.stop()


def test_the_whole_story_with_a_key_that_only_the_gateway_has(place: Place) -> None:
    assert '"d"' not in place.public.read_text()
    visitor = place.sign_in()
    claims = signed_by(visitor, place.keys)
    assert (claims["username"], claims["role"], claims["jti"].count(".")) == ("demo", ROLE, 1)
    assert 29 <= time.time() - claims["iat"] <= 60
    assert visitor("/rest/task").status == 200
    assert place.postgrest_takes(visitor.jar["access_token"])
    me = visitor("/rpc/me", "-X", "POST", "-H", "Content-Profile: auth")
    assert json.loads(me.body)["username"] == "demo"

    before = visitor.jar["access_token"]
    assert visitor("/rpc/refresh_token", "-X", "POST").status == 204
    assert signed_by(visitor, place.keys)["sid"] == claims["sid"]
    visitor.keep("access_token=; Path=/; Max-Age=0")
    renewed = visitor("/rest/task")  # inside the request
    assert (renewed.status, len(renewed.set_cookies)) == (200, 2)
    assert signed_by(visitor, place.keys)["sid"] == claims["sid"]
    assert visitor.jar["access_token"] != before

    held = visitor.jar["access_token"]
    assert visitor("/rpc/logout", "-X", "POST").status == 204
    assert not place.gateway_takes(held)


def test_a_bearer_that_postgrest_can_verify_is_forwarded_as_it_came(place: Place) -> None:
    assert place.gateway_takes(token(place.keys.signing))
    assert not place.gateway_takes(token(hmac_key(os.urandom(32))))


@pytest.mark.anyio
async def test_a_check_finds_no_problem(place: Place) -> None:
    findings = await run_checks(load_settings(place.settings))
    assert [finding.text for finding in findings if finding.level is Level.PROBLEM] == []
    assert "The gateway accepts the tokens that the SQL functions sign." in {each.text for each in findings}


@pytest.mark.anyio
async def test_a_check_tells_postgrest_needs_the_public_set(stack: DevStack, place: Place) -> None:
    settings = load_settings({**place.settings, "POSTGATE_POSTGREST_URL": stack.postgrest_url})
    [found] = [each for each in await run_checks(settings) if "another JWT secret" in each.text]
    assert "`postgate secret public`" in found.fix


def test_the_keys_are_changed_and_nobody_signs_in_again(place: Place) -> None:
    visitor, old = place.sign_in(), place.keys
    place.run("rotate")
    place.publish()
    place.reload_postgrest()
    assert visitor("/rest/task").set_cookies == []
    place.reload_gateway()
    assert visitor("/rest/task").set_cookies == []  # with the token of the old key
    newcomer = place.sign_in("newcomer")
    signed_by(newcomer, place.keys)
    assert newcomer("/rest/task").status == 200
    assert sorted(place.published()) == sorted(key.key_id or "" for key in place.keys.keys)

    place.run("rotate", "--drop-old")
    place.publish()
    place.database.execute("notify pgrst, 'reload config'")
    wait_until(lambda: not place.postgrest_takes(token(old.signing)), "PostgREST to forget the old key")
    os.kill(place.gateway.pid, signal.SIGHUP)
    wait_until(lambda: len(place.published()) == 1, "the gateway to forget the old key")
    assert not place.gateway_takes(token(old.signing))
    assert newcomer("/rest/task").set_cookies == []
    assert visitor("/rest/task").status == 200  # renewed
    signed_by(visitor, place.keys)


def test_the_set_is_published_for_caches(place: Place) -> None:
    first = ask(place.gateway.url, "GET", "/.well-known/jwks.json", [])
    assert (first.status, json.loads(first.body)) == (200, json.loads(place.public.read_text()))
    fields = {name.lower(): value for name, value in first.head.fields}
    assert fields[b"content-type"] == b"application/jwk-set+json"
    assert fields[b"cache-control"] == b"public, max-age=300"
    etag = fields[b"etag"].decode()
    again = ask(place.gateway.url, "GET", "/.well-known/jwks.json", [("If-None-Match", etag)])
    assert (again.status, again.body) == (304, b"")
    head = ask(place.gateway.url, "HEAD", "/.well-known/jwks.json", [])
    assert (head.status, head.body) == (200, b"")
    assert ask(place.gateway.url, "POST", "/.well-known/jwks.json", []).status == 405


# --- what the database can give away

EVERY_TABLE = """
select string_agg(
         format('select to_jsonb(t)::text as row from %I.%I as t', schemaname, tablename), ' union all '
       ) as query
  from pg_catalog.pg_tables
 where schemaname <> 'information_schema'
"""
READ = (
    "select setting as text from pg_catalog.pg_settings",
    "select to_jsonb(a)::text as text from pg_catalog.pg_stat_activity as a",
    "select current_setting('app.settings.jwt_secret', true) as text",
)
LEAK = """
create function auth.leak() returns text language sql return current_setting('app.settings.jwt_secret');
grant execute on function auth.leak() to anon;
"""
find_words = re.compile(r"[A-Za-z0-9+/=_-]{32,}").findall


def readable(database: Database) -> str:
    """Everything that a superuser reads in the database."""
    [tables] = database.fetch(EVERY_TABLE)
    rows = [row[0] for query in (*READ, tables["query"]) for row in database.fetch(query)]
    return "\n".join(filter(None, rows))


def test_a_superuser_who_reads_everything_makes_no_token_that_is_accepted(
    stack: DevStack, place: Place
) -> None:
    log = stack.folder / "postgres.log"
    before = log.stat().st_size
    place.database.execute(f'alter database "{place.database.name}" set log_min_messages = debug5')
    visitor = place.sign_in()
    assert visitor("/rpc/refresh_token", "-X", "POST").status == 204
    seen = readable(place.database) + log.read_bytes()[before:].decode(errors="replace")
    for secret in (place.keys.entries[0]["d"], *visitor.jar.values()):
        assert secret not in seen
    keys = {key for word in find_words(seen) for key in _readings(word) if len(key) >= MIN_SECRET_BYTES}
    assert keys
    for key in keys:
        assert not place.postgrest_takes(token(hmac_key(key)))
    forged = [token(hmac_key(key)) for key in keys]
    assert not any(place.gateway_takes(text) for text in forged[:50])


def test_the_secret_that_sql_signs_with_is_worth_nothing(place: Place) -> None:
    """Only a function that someone has planted can get it."""
    told = place.visitor("thief")("/rpc/leak", "-X", "POST", "-H", "Content-Profile: auth")
    leaked = json.loads(told.body)
    for key in _readings(leaked):
        forged = token(hmac_key(key))
        assert not place.gateway_takes(forged)
        assert not place.postgrest_takes(forged)


def _readings(word: str) -> list[bytes]:
    """What a text may be the key as: its bytes, or what they decode to."""
    with contextlib.suppress(ValueError):
        return [word.encode(), b64decode(word, validate=True)]
    return [word.encode()]
