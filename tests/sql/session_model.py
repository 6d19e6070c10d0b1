"""What sessions ought to do, in a page of Python: the judge of what the SQL does.

One user, any number of sessions, time in seconds. Tokens are named by their session and their place in
its family; nothing is known here of a database, or of how anything is stored.
"""

from copy import deepcopy
from dataclasses import dataclass, field

GRACE = 60
MINUTE = 60
IDLE = 720 * 3600
LIFE = 2160 * 3600
MOST = 5  # refresh tokens of one session in a minute; the world of the tests has so few, to come across it
MOST_SESSIONS = 4  # of the user; the world has so few as well
LISTED = 600 + 60  # the life of an access token, and the minute for clocks that differ
PROVEN = LISTED + GRACE  # the last one is minted when the grace window of its refresh token ends


@dataclass(frozen=True, slots=True)
class Token:
    session: int
    place: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The claims of an access token, which was minted with that refresh token."""

    session: int
    place: int


Who = Token | Claim | None  # None: a token that nobody ever issued


@dataclass(frozen=True, slots=True)
class Login:
    session: int  # the number of the new one
    presented: Token | None


@dataclass(frozen=True, slots=True)
class Refresh:
    token: Token | None


@dataclass(frozen=True, slots=True)
class Logout:
    token: Token | None
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A function that asks who one is: sessions, logout_others, logout_all, end_session, change_password."""

    function: str
    who: Who
    target: int | None = None
    right: bool = True
    session: int = 0  # the number of the new one, after change_password


@dataclass(frozen=True, slots=True)
class OwnerEnds:
    session: int


@dataclass(frozen=True, slots=True)
class OwnerEndsAll:
    pass


Move = Login | Refresh | Logout | Account | OwnerEnds | OwnerEndsAll


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int
    token: Token | None = None
    listed: frozenset[int] | None = None


REFUSED = Outcome(401)
TOO_OFTEN = Outcome(429)
DONE = Outcome(204)


@dataclass(slots=True)
class _Token:
    issued: int
    expires: int
    used: int | None = None


@dataclass(slots=True)
class _Session:
    expires: int
    tokens: list[_Token]
    seen: int  # the larger, the later
    ended: int | None = None


@dataclass(slots=True)
class Model:
    now: int = 0
    seen: int = 0
    sessions: dict[int, _Session] = field(default_factory=dict)

    def copy(self) -> "Model":
        return deepcopy(self)

    # --- what is so

    def is_live(self, number: int) -> bool:
        session = self.sessions.get(number)
        return (
            session is not None
            and session.ended is None
            and self.now < session.expires
            and self.now < session.tokens[-1].expires
        )

    @property
    def live(self) -> frozenset[int]:
        return frozenset(number for number in self.sessions if self.is_live(number))

    @property
    def ended(self) -> frozenset[int]:
        """Those that somebody ended."""
        return frozenset(n for n, session in self.sessions.items() if session.ended is not None)

    @property
    def listed(self) -> frozenset[int]:
        return frozenset(n for n in self.ended if self.now - (self.sessions[n].ended or 0) < LISTED)

    def is_known(self, token: Token) -> bool:
        """Issued, and not expired: from then on it may be pruned at any time."""
        places = len(self.sessions[token.session].tokens)
        return token.place < places and self.now < self._row(token).expires

    def _row(self, token: Token) -> _Token:
        return self.sessions[token.session].tokens[token.place]

    def _is_fresh(self, row: _Token) -> bool:
        return row.used is None or self.now - row.used < GRACE

    # --- what happens

    def apply(self, move: Move) -> Outcome:
        match move:
            case Login():
                return self._login(move)
            case Refresh():
                return self._refresh(move.token)
            case Logout():
                if move.token is not None:
                    self._end(move.token.session)
                if move.claim is not None and self._is_proven(move.claim):
                    self._end(move.claim.session)
                return DONE
            case Account():
                return self._account(move)
            case OwnerEnds():
                self._end(move.session)
                return DONE
            case OwnerEndsAll():
                for number in self.live:
                    self._end(number)
                return DONE

    def _end(self, number: int) -> None:
        if self.is_live(number):
            self.sessions[number].ended = self.now

    def _login(self, move: Login) -> Outcome:
        if move.presented is not None:
            self._end(move.presented.session)
        return self._begin(move.session)

    def _begin(self, number: int) -> Outcome:
        expires = self.now + LIFE
        self.sessions[number] = _Session(expires, [self._new_token(expires)], self._tick())
        by_age = sorted(self.live, key=lambda live: self.sessions[live].seen, reverse=True)
        for oldest in by_age[MOST_SESSIONS:]:
            self._end(oldest)
        return Outcome(204, Token(number, 0))

    def _tick(self) -> int:
        self.seen += 1
        return self.seen

    def _new_token(self, session_expires: int) -> _Token:
        return _Token(self.now, min(self.now + IDLE, session_expires))

    def _refresh(self, token: Token | None) -> Outcome:
        if token is None or not self.is_live(token.session) or not self.is_known(token):
            return REFUSED
        session, row = self.sessions[token.session], self._row(token)
        if not self._is_fresh(row):
            self._end(token.session)
            return REFUSED
        if row.used is None:
            if sum(self.now - each.issued < MINUTE for each in session.tokens) >= MOST:
                return TOO_OFTEN
            row.used = self.now
            session.tokens.append(self._new_token(session.expires))
            session.seen = self._tick()
        return Outcome(204, Token(token.session, len(session.tokens) - 1))

    def _identity(self, who: Who) -> int | None:
        if who is None or not self.is_live(who.session):
            return None
        if isinstance(who, Claim):
            return who.session if self._is_proven(who) else None
        return who.session if self.is_known(who) and self._is_fresh(self._row(who)) else None

    def _is_proven(self, claim: Claim) -> bool:
        return self.now - self.sessions[claim.session].tokens[claim.place].issued < PROVEN

    def _account(self, move: Account) -> Outcome:
        me = self._identity(move.who)
        if me is None or (move.function == "change_password" and not move.right):
            return REFUSED
        if move.function == "sessions":
            return Outcome(204, listed=self.live)
        if move.function == "end_session":
            if move.target is None or not self.is_live(move.target):
                return Outcome(404)
            self._end(move.target)
            return DONE
        for number in self.live:
            if number != me or move.function != "logout_others":
                self._end(number)
        return self._begin(move.session) if move.function == "change_password" else DONE
