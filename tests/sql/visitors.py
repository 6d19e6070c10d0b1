"""A client of the auth functions, played on a database connection as PostgREST plays it.

Each call is one transaction with the settings PostgREST makes (a savepoint where a test has begun
one), and its answer is what PostgREST would make of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SECRET = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="  # 32 bytes, in base64
SETTINGS = {"app.settings.jwt_secret": SECRET, "app.settings.jwt_secret_is_base64": "true"}

# "demo" at cost 10: users made with it cost the tests no hashing
DEMO_HASH = "$2a$10$iSR5BACCqclH1KYRnouAP.GIV4XDxgODjRs.ByZGYO9oYNVTG6xIm"

# The lowest cost that auth.user takes: a fourth of the work of the product's own
LOWER_THE_COST = (
    "create or replace function auth_private.bcrypt_cost() returns integer language sql immutable return 10"
)

INVALID_CREDENTIALS = "Invalid user or password"
INVALID_TOKEN = "Invalid or expired refresh token"
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
                    "select set_config(name, value, true)"
                    " from unnest($1::text[], $2::text[]) as setting (name, value)",
                    list(settings),
                    list(settings.values()),
                )
                row = await self.connection.fetchrow(
                    f"select {function} as value,"
                    " current_setting('response.status') as status,"
                    " current_setting('response.headers') as headers",
                    *arguments,
                )
                await self.connection.execute("select set_config('role', 'none', true)")
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
