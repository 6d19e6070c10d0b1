"""The same moves against the real SQL, on two connections, one after another or one inside the other."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import asyncpg

from app.devstack import Database

from .ears import Ears
from .session_model import (
    MOST,
    MOST_SESSIONS,
    Account,
    Claim,
    Login,
    Logout,
    Move,
    Outcome,
    OwnerEnds,
    OwnerEndsAll,
    Refresh,
    Token,
)
from .visitors import Answer, Connection, Visitor

PASSWORD = "demo"
FUNCTIONS = {
    "sessions": "(select array_agg(s.id::text) from auth.sessions() as s)",
    "logout_others": "auth.logout_others()",
    "logout_all": "auth.logout_all()",
    "end_session": "auth.end_session($1::text::uuid)",
    "change_password": f"auth.change_password($1, '{PASSWORD}')",
}
AGE = """
with moved as (
  update auth.session
     set created_at = created_at - s, last_seen_at = last_seen_at - s, expires_at = expires_at - s,
         ended_at = ended_at - s
    from make_interval(secs => $2) as passed (s)
   where user_id = (select u.id from auth.user as u where u.username = $1)
  returning id, s
), listed as (
  update auth_private.ended_session set until = until - s from moved where id = sid
)
update auth.refresh_token
   set issued_at = issued_at - s, expires_at = expires_at - s, replaced_at = replaced_at - s
  from moved
 where id = family
"""
LOOK = """
select coalesce(array_agg(s.id::text) filter (where auth_private.session_is_live(s)), '{}') as live,
       coalesce(array_agg(s.id::text) filter (where exists (
         select from auth.ended_sessions() as e where e.sid = s.id::text
       )), '{}') as listed,
       coalesce(max((
         select count(*) from auth.refresh_token as t where t.family = s.id and t.replaced_at is null
       )), 0) as unused
  from auth.session as s
  join auth.user as u on u.id = s.user_id
 where u.username = $1
"""
PRUNE = """
select auth_private.prune_sessions(), auth_private.prune_refresh_tokens(),
       auth_private.prune_ended_sessions(), auth_private.prune_events()
"""


@dataclass(slots=True)
class Names:
    """What stands for the model's tokens and sessions; learned from the answers."""

    tokens: dict[Token, str] = field(default_factory=dict)
    sessions: dict[int, str] = field(default_factory=dict)
    claims: dict[Token, dict[str, Any]] = field(default_factory=dict)

    def copy(self) -> Self:
        return type(self)(dict(self.tokens), dict(self.sessions), dict(self.claims))

    def learn(self, move: Move, expected: Outcome, answer: Answer) -> bool:
        """Whether the answer is the outcome that is expected, under these names."""
        if answer.status != expected.status:
            return False
        if expected.listed is not None:
            return set(answer.value) == {self.sessions[number] for number in expected.listed}
        if expected.token is None:
            return "refresh_token" not in {cookie.name for cookie in answer.cookies} - answer.clears
        told, sid = answer.cookie("refresh_token").value, answer.claims["sid"]
        self.claims[expected.token] = answer.claims
        if isinstance(move, Login | Account):
            self.sessions[move.session] = sid
        if expected.token not in self.tokens and told in self.tokens.values():
            return False
        known = self.tokens.setdefault(expected.token, told)
        return known == told and self.sessions[expected.token.session] == sid


class World:
    def __init__(self, connections: Sequence[Connection], listener: Connection) -> None:
        self.owner, *self.two = connections
        self.listener = listener
        self.users = 0

    @classmethod
    async def open(cls, database: Database) -> Self:
        connections = [await asyncpg.connect(database.owner_dsn) for _ in range(3)]
        await connections[0].execute(
            "create or replace function auth_private.bcrypt_cost() returns integer"
            " language sql immutable return 4;"
            " update auth.user set password = 'demo'"
        )
        await connections[0].executemany(
            "update auth.setting set value = $2 where name = $1",
            [("refresh_tokens_per_minute", MOST), ("sessions_per_user", MOST_SESSIONS)],
        )
        return cls(connections, await asyncpg.connect(database.gateway_dsn))

    async def close(self) -> None:
        for connection in (self.owner, *self.two, self.listener):
            await connection.close()

    async def listen(self) -> Ears:
        return await Ears.open(self.listener)

    async def make_user(self) -> str:
        self.users += 1
        name = f"user{self.users}"
        await self.owner.execute(
            "insert into auth.user (username, password, role) values ($1, $2, 'basic_subscriber')",
            name,
            PASSWORD,
        )
        return name

    async def age(self, user: str, seconds: int) -> None:
        await self.owner.execute(AGE, user, seconds)

    async def prune(self) -> None:
        await self.owner.execute(PRUNE)

    async def look(self, user: str) -> Any:
        return await self.owner.fetchrow(LOOK, user)

    async def make(self, move: Move, user: str, names: Names, connection: Connection) -> Answer:
        match move:
            case Login():
                return await _visitor(connection, names, move.presented).login(user, PASSWORD)
            case Refresh():
                return await _visitor(connection, names, move.token).refresh()
            case Logout():
                visitor = _visitor(connection, names, move.token)
                return await visitor.call("auth.logout()", claims=_claims(names, move.claim))
            case Account():
                return await self._ask(move, names, connection)
            case OwnerEnds():
                await connection.execute(
                    "select auth_private.end_session($1, 'x')", names.sessions[move.session]
                )
            case OwnerEndsAll():
                await connection.execute("select auth_private.end_sessions_of($1, 'x')", user)
        return Answer(204)

    async def _ask(self, move: Account, names: Names, connection: Connection) -> Answer:
        claim = move.who if isinstance(move.who, Claim) else None
        visitor = _visitor(connection, names, move.who if isinstance(move.who, Token) else None)
        arguments: list[object] = []
        if move.function == "end_session":
            arguments = [None if move.target is None else names.sessions[move.target]]
        if move.function == "change_password":
            arguments = [PASSWORD if move.right else "wrong"]
        return await visitor.call(FUNCTIONS[move.function], *arguments, claims=_claims(names, claim))

    async def race(
        self, moves: tuple[Move, Move], user: str, names: Names, *, commits: bool
    ) -> tuple[Answer, Answer]:
        """The second move begins when the first is done, but not committed."""
        first, second = self.two
        transaction = first.transaction()
        await transaction.start()
        answer = await self.make(moves[0], user, names, first)
        other = asyncio.create_task(self.make(moves[1], user, names, second))
        while not (await asyncio.wait([other], timeout=0.002))[0]:
            if await self.owner.fetchval(
                "select cardinality(pg_blocking_pids($1)) > 0", second.get_server_pid()
            ):
                break
        await (transaction.commit() if commits else transaction.rollback())
        return answer, await other


def _visitor(connection: Connection, names: Names, token: Token | None) -> Visitor:
    return Visitor(connection, {"refresh_token": "A" * 43 if token is None else names.tokens[token]})


def _claims(names: Names, claim: Claim | None) -> dict[str, Any]:
    if claim is None:
        return {}
    return {**names.claims[Token(claim.session, claim.place)], "username": "as it was"}
