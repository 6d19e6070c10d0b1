"""Any order of logins, refreshes, replays, logouts, ends and hours does what a page of Python says it does.

Against the real SQL on two connections, some moves inside another's transaction: their outcomes must be those
of one order or the other. So there are never two live tokens in a family, never a live session after its
end, and never a sign-out without a cause: who comes with the newest token it was given, or with one
that was first used less than a minute ago, is refused only if the session was ended or has expired, or was
given too many tokens within a minute.
INTERLEAVINGS=2000 in the environment tries as many.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from app.devstack import Database

from .ears import Ears
from .session_model import (
    MOST,
    Account,
    Claim,
    Login,
    Logout,
    Model,
    Move,
    OwnerEnds,
    OwnerEndsAll,
    Refresh,
    Token,
)
from .session_world import Names, World
from .visitors import Answer

T = TypeVar("T")

EXAMPLES = 40
STEPS = 30
# Multiples of half the grace window: what really passes, less than that, changes no outcome
SECONDS = [30, 30, 30, 60, 600, 300 * 3600, 720 * 3600, 1500 * 3600]


class Runner:
    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def __call__(self, work: Awaitable[T]) -> T:
        async def wait() -> T:
            async with asyncio.timeout(60):
                return await work

        return self._runner.run(wait())

    def close(self) -> None:
        self._runner.close()


class Sessions(RuleBasedStateMachine):
    run: Runner
    world: World
    ears: Ears

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.names = Names()
        self.logins = 0
        self.user = self.run(self.world.make_user())

    # --- choosing

    @initialize()
    def begin(self) -> None:
        self._do(self._login(None))

    def _login(self, presented: Token | None) -> Login:
        return Login(self._next(), presented)

    def _next(self) -> int:
        self.logins += 1
        return self.logins

    def _token(self, data: st.DataObject) -> Token | None:
        """The newest of a session as a rule; else an older one, or one that nobody issued."""
        number = data.draw(st.sampled_from([0, *self.model.sessions]), "session")
        if number == 0:
            return None
        count = len([token for token in self.names.tokens if token.session == number])
        behind = data.draw(st.sampled_from([0, 0, 0, 1, 1, 2, 3]), "behind")
        return Token(number, max(0, count - 1 - behind))

    def _kept_token(self, data: st.DataObject) -> Token | None:
        """One that is not expired: such a one still ends its session until it is pruned, and not after."""
        token = self._token(data)
        return token if token is not None and self.model.is_known(token) else None

    def _claim(self, data: st.DataObject) -> Claim:
        number = self._session(data)
        return Claim(number, len(self.model.sessions[number].tokens) - 1)

    def _session(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.model.sessions)), "number")

    def _move(self, data: st.DataObject) -> Move:
        kind = data.draw(st.sampled_from(["refresh"] * 4 + ["login", "logout", "owner"] + ["account"] * 2))
        if kind == "refresh":
            return Refresh(self._token(data))
        if kind == "login":
            return self._login(self._kept_token(data))
        if kind == "logout":
            claim = data.draw(st.booleans(), "with a claim")
            return Logout(self._kept_token(data), self._claim(data) if claim else None)
        if kind == "owner":
            ends_all = data.draw(st.booleans(), "all")
            return OwnerEndsAll() if ends_all else OwnerEnds(self._session(data))
        functions = ["sessions", "logout_others", "logout_all", "end_session", "change_password"]
        return Account(
            data.draw(st.sampled_from(functions), "function"),
            self._claim(data) if data.draw(st.booleans(), "by claim") else self._token(data),
            target=data.draw(st.none() | st.sampled_from(sorted(self.model.sessions)), "target"),
            right=data.draw(st.booleans(), "right"),
            session=self._next(),
        )

    # --- moving

    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        self._do(self._move(data))

    @rule(data=st.data())
    def refresh_with_the_newest(self, data: st.DataObject) -> None:
        number = self._session(data)
        self._do(Refresh(Token(number, len(self.model.sessions[number].tokens) - 1)))

    @precondition(lambda self: self.model.live)
    @rule(data=st.data(), seconds=st.sampled_from([0, 30, 60, 90]))
    def come_again_with_the_same(self, data: st.DataObject, seconds: int) -> None:
        """A lost answer, another tab, or a thief."""
        number = data.draw(st.sampled_from(sorted(self.model.live)), "number")
        token = Token(number, len(self.model.sessions[number].tokens) - 1)
        self._do(Refresh(token))
        if seconds:
            self._wait(seconds)
        again: list[Move] = [Refresh(token), Refresh(token), Account("sessions", token)]
        self._do(data.draw(st.sampled_from(again), "again"))

    @rule(data=st.data(), times=st.sampled_from([2, MOST]))
    def renew_in_a_loop(self, data: st.DataObject, times: int) -> None:
        number = self._session(data)
        first = len(self.model.sessions[number].tokens) - 1
        for _ in range(times):
            self._do(Refresh(Token(number, len(self.model.sessions[number].tokens) - 1)))
        self._do(Refresh(Token(number, first)))

    @rule(data=st.data(), commits=st.booleans())
    def race(self, data: st.DataObject, commits: bool) -> None:  # noqa: FBT001 (drawn by hypothesis)
        moves = (self._move(data), self._move(data))
        answers = self.run(self.world.race(moves, self.user, self.names, commits=commits))
        if not commits:
            # What was answered is void, but the successor of a token is always the same
            attempt = self.names.copy()
            assert attempt.learn(moves[0], self.model.copy().apply(moves[0]), answers[0]), answers
            if isinstance(moves[0], Refresh):
                self.names = attempt
            assert self._accept([moves[1]], [answers[1]]), (moves, answers)
            return
        pairs = list(zip(moves, answers, strict=True))
        for order in (pairs, pairs[::-1]):
            if self._accept([move for move, _ in order], [answer for _, answer in order]):
                return
        pytest.fail(f"in no order: {pairs}")

    @rule(seconds=st.sampled_from(SECONDS))
    def wait(self, seconds: int) -> None:
        self._wait(seconds)

    def _wait(self, seconds: int) -> None:
        self.model.now += seconds
        self.run(self.world.age(self.user, seconds))

    @precondition(lambda self: self.model.now > 0)
    @rule()
    def prune(self) -> None:
        self.run(self.world.prune())

    def _do(self, move: Move) -> None:
        answer = self.run(self.world.make(move, self.user, self.names, self.world.two[0]))
        assert self._accept([move], [answer]), (move, answer)

    def _accept(self, moves: list[Move], answers: list[Answer]) -> bool:
        """Whether these are the answers to these moves in this order; if so, it is what happened."""
        model, names = self.model.copy(), self.names.copy()
        for move, answer in zip(moves, answers, strict=True):
            if not names.learn(move, model.apply(move), answer):
                return False
        self.model, self.names = model, names
        return True

    # --- what is always so

    @invariant()
    def the_database_agrees(self) -> None:
        seen: Any = self.run(self.world.look(self.user))
        assert set(seen["live"]) == {self.names.sessions[number] for number in self.model.live}
        assert set(seen["listed"]) == {
            self.names.sessions[n] for n in self.model.listed if self._has_a_row(n)
        }
        assert seen["unused"] <= 1

    def _has_a_row(self, number: int) -> bool:
        """Not pruned: some token of it has not expired."""
        return self.model.now < self.model.sessions[number].tokens[-1].expires

    @override
    def teardown(self) -> None:
        told = [one["sid"] for one in self.run(self.ears.told())]
        assert sorted(told) == sorted(self.names.sessions[number] for number in self.model.ended)


@pytest.fixture
def machine(own: Database) -> Iterator[type[Sessions]]:
    run = Runner()
    world = run(World.open(own))
    try:
        yield type("Machine", (Sessions,), {"run": run, "world": world, "ears": run(world.listen())})
    finally:
        run(world.close())
        run.close()


def test_any_order_of_things_does_what_the_model_says(
    machine: type[Sessions], environ: Mapping[str, str]
) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(environ.get("INTERLEAVINGS", EXAMPLES)),
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
