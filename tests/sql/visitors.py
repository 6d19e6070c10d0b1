"""A client of the auth functions, played on a database connection as PostgREST plays it.

Each call is one transaction with the settings PostgREST makes (a savepoint where a test has begun
one), and its answer is what PostgREST would make of it.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias

import asyncpg
from harness.sessions import BEGIN_SESSION

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SECRET = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="  # 32 bytes, in base64
SETTINGS = {"app.settings.jwt_secret": SECRET, "app.settings.jwt_secret_is_base64": "true"}

# "demo" at cost 4: users made with it cost the tests no hashing
DEMO_HASH = "$2a$04$iSR5BACCqclH1KYRnouAP.5UGztqpzdYW.QeMfHVE6y9gC1DG1fWm"

# Below what the product allows: 1 ms for each check of a password, instead of 0.29 s; and short passwords
LOWER_THE_COST = (
    "update auth.setting set lowest = 4, value = 4 where name = 'bcrypt_cost';"
    "update auth.setting set lowest = 1, value = 1 where name = 'password_length'"
)
# Before the routines are applied again; it works among shadows, too
RESTORE_THE_COST = (
    "update auth.setting set lowest = 10, value = null where name operator(pg_catalog.=) 'bcrypt_cost';"
    "update auth.setting set lowest = 8, value = null where name operator(pg_catalog.=) 'password_length'"
)

DEADLINE_SECONDS = 10

INVALID_CREDENTIALS = "Invalid user or password"
INVALID_TOKEN = "Invalid or expired refresh token"
SIGN_IN = "Sign in to continue"
POST_ONLY = "This function is called with POST"


@dataclass(frozen=True, slots=True)
class Cookie:
    name: str
    value: str
    attributes: tuple[str, ...]

    @classmethod
    def parse(cls, header: str) -> Self:
        pair, *attributes = header.split("; ")
        name, _, value = pair.partition("=")
        return cls(name, value, tuple(attributes))

    def attribute(self, name: str) -> str | None:
        found = [rest for key, _, rest in (a.partition("=") for a in self.attributes) if key == name]
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    sqlstate: str = ""
    message: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    value: Any = None

    @property
    def cookies(self) -> list[Cookie]:
        return [Cookie.parse(value) for name, value in self.headers if name == "Set-Cookie"]

    def cookie(self, name: str) -> Cookie:
        (found,) = [cookie for cookie in self.cookies if cookie.name == name]
        return found

    @property
    def clears(self) -> set[str]:
        """The names of the cookies that are deleted."""
        return {cookie.name for cookie in self.cookies if cookie.attribute("Max-Age") == "0"}

    @property
    def claims(self) -> dict[str, Any]:
        """Of the access token, unverified."""
        part = self.cookie("access_token").value.split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return claims


@dataclass(slots=True)
class Visitor:
    connection: Connection
    cookies: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=lambda: dict(SETTINGS))

    async def login(self, user: str | None = "demo", password: str | None = "demo") -> Answer:  # noqa: S107
        return await self.call("auth.login(user_ => $1, pass => $2)", user, password)

    async def logout(self) -> Answer:
        return await self.call("auth.logout()")

    async def refresh(self) -> Answer:
        return await self.call("auth.refresh_token()")

    def same_client(self) -> Self:
        """Another tab, with the cookies of this moment."""
        return replace(self, cookies=dict(self.cookies))

    async def call(
        self, function: str, *arguments: object, role: str = "anon", claims: Mapping[str, Any] | None = None
    ) -> Answer:
        settings = {
            "search_path": '"auth", "public"',
            "role": role,
            "request.jwt.claims": json.dumps({"role": role, **(claims or {})}),
            "request.method": "POST",
            "request.path": "/rpc/" + function.partition("(")[0].removeprefix("auth."),
            "request.headers": json.dumps(self.headers),
            "request.cookies": json.dumps(self.cookies),
            "response.headers": "",
            "response.status": "",
            **self.settings,
        }
        answer = await self._transact(function, arguments, settings)
        self._take(answer.cookies)
        return answer

    async def _transact(
        self, function: str, arguments: tuple[object, ...], settings: Mapping[str, str]
    ) -> Answer:
        try:
            async with self.connection.transaction():
                await self.connection.execute(
                    "select pg_catalog.set_config(s.name, s.value, true) from rows from ("
                    " pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])"
                    ") as s (name, value)",
                    list(settings),
                    list(settings.values()),
                )
                row = await self.connection.fetchrow(
                    f"select {function} as value,"
                    " pg_catalog.current_setting('response.status') as status,"
                    " pg_catalog.current_setting('response.headers') as headers",
                    *arguments,
                )
                await self.connection.execute("select pg_catalog.set_config('role', 'none', true)")
        except asyncpg.PostgresError as error:
            sqlstate = error.sqlstate or ""
            status = int(sqlstate[2:]) if sqlstate.startswith("PT") else 400
            return Answer(status, sqlstate, error.message or "")
        assert row is not None
        headers = tuple(pair for one in json.loads(row["headers"] or "[]") for pair in one.items())
        return Answer(int(row["status"] or 204), headers=headers, value=row["value"])

    def _take(self, cookies: list[Cookie]) -> None:
        for cookie in cookies:
            if cookie.attribute("Max-Age") == "0":
                self.cookies.pop(cookie.name, None)
            else:
                self.cookies[cookie.name] = cookie.value


async def start_session(connection: Connection, user: str = "demo") -> str:
    """The first refresh token of a session, at no cost of a password."""
    token: str = await connection.fetchval(BEGIN_SESSION, user)
    return token


async def live_sessions(connection: Connection, user: str = "demo") -> int:
    query = (
        "select count(*) from auth.session as s join auth.user as u on u.id = s.user_id"
        " where u.username = $1 and auth_private.session_is_live(s)"
    )
    count: int = await connection.fetchval(query, user)
    return count


async def age(connection: Connection, seconds: float) -> None:
    """Let so many seconds pass for all that the database remembers of sessions."""
    for table, columns in {
        "auth.session": ("created_at", "last_seen_at", "expires_at", "ended_at"),
        "auth.refresh_token": ("issued_at", "expires_at", "replaced_at"),
        "auth_private.ended_session": ("until",),
    }.items():
        moved = ", ".join(f"{column} = {column} - make_interval(secs => $1)" for column in columns)
        await connection.execute(f"update {table} set {moved}", seconds)  # noqa: S608 (names from above)


async def is_waiting(owner: Connection, other: Connection) -> None:
    """Until the other one waits for a lock that someone holds."""
    blocked = "select cardinality(pg_blocking_pids($1)) > 0"
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await owner.fetchval(blocked, other.get_server_pid()):
            pass
