"""The functions of a project by purpose: sign in, renew, sign out, register, sign for services."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.diagnostics.doctor import cookies, sources
from app.diagnostics.doctor.secrets import is_secret
from app.diagnostics.doctor.tokens import checks_proof, makes_tokens, spread
from app.diagnostics.suggest.looking import Routine

_PASSWORD: Final = re.compile(r"(?:^|_)(?:pass|password|passwd|pwd|pw|pin|otp|passphrase)(?:_|$)").search
_RENEWS: Final = re.compile(r"(?:^|_)(?:refresh|renew)", re.IGNORECASE).search
_SIGNS_OUT: Final = re.compile(r"(?:^|_)(?:log_?out|sign_?out)(?:$|_)", re.IGNORECASE).search
_REGISTERS: Final = re.compile(
    r"(?:^|_)(?:register|sign_?up|create_(?:user|account))(?:$|_)", re.IGNORECASE
).search
_PRE_REQUEST: Final = re.compile(r"(?:db_)?pre_?request|(?:check|before)_request", re.IGNORECASE).fullmatch
_MEMBER: Final = re.compile(r"(?:access_?|id_?)?token|jwt", re.IGNORECASE).fullmatch
_REFRESH_MEMBER: Final = re.compile(r"refresh", re.IGNORECASE).search
_IN_BASE64: Final = re.compile(r"decode\s*\([^;]*?,\s*'base64'", re.IGNORECASE).search
_RENEWAL_COOKIE: Final = re.compile(r"request\.(?:cookies|cookie\.|header\.cookie)", re.IGNORECASE).search


@dataclass(frozen=True, slots=True)
class Kinds:
    """The functions of a project by what they do, in the order of their names."""

    sign_in: list[Routine] = field(default_factory=list)
    renew: list[Routine] = field(default_factory=list)  # by the refresh cookie, or by one argument
    sign_out: list[Routine] = field(default_factory=list)
    register: list[Routine] = field(default_factory=list)
    service: list[Routine] = field(default_factory=list)  # they make tokens without a proof
    pre_request: list[Routine] = field(default_factory=list)
    calls: Mapping[Routine, frozenset[str]] = field(default_factory=dict)

    def reached(self, routine: Routine) -> list[Routine]:
        """The function and all that it calls, directly or not."""
        found = [routine]
        for known in found:
            found += [one for one in self.calls if one.name.lower() in self.calls[known] and one not in found]
        return found

    def secrets(self, routine: Routine) -> list[str]:
        """The settings with a secret that it reads, directly or not."""
        names = {name for one in self.reached(routine) for name in sources.settings(one.source)}
        return sorted(name for name in names if is_secret(name))

    def decodes_base64(self, routine: Routine) -> bool:
        """Whether it decodes something from base64: a secret, since it makes tokens."""
        return any(_IN_BASE64(sources.code(one.source)) for one in self.reached(routine))

    def cookies(self, routine: Routine) -> list[cookies.Cookie]:
        """The cookies that it sets, and does not clear."""
        return [
            cookie for one in self.reached(routine) for cookie in cookies.read(one) if not cookie.is_cleared
        ]


def classify(routines: Sequence[Routine]) -> Kinds:
    """Sort the functions. Helpers that only others call, such as `sign`, are none of these."""
    routines = [routine for routine in routines if not routine.is_trigger and routine.is_settable]
    calls = {routine: sources.calls(routine.source) for routine in routines}
    making = {routine for routine in routines if makes_tokens(routine, calls[routine])}
    making = spread(making, calls, barred=())
    proving = {routine for routine in routines if checks_proof(routine, calls[routine])}
    proving = spread(proving, calls, barred=())
    kinds = Kinds(calls=calls)
    for routine in routines:
        if routine in making:
            _add_maker(kinds, routine, is_proving=routine in proving)
        elif routine.required == 0 and _SIGNS_OUT(routine.name):
            kinds.sign_out.append(routine)
        elif _REGISTERS(routine.name) and any(map(_PASSWORD, routine.arguments)):
            kinds.register.append(routine)
        elif not routine.arguments and routine.is_void and _PRE_REQUEST(routine.name):
            kinds.pre_request.append(routine)
    return kinds


def _add_maker(kinds: Kinds, routine: Routine, *, is_proving: bool) -> None:
    """Only a function that hands the token out is meant for callers: in a cookie, or as its result."""
    if _RENEWS(routine.name) and (renews_by_cookie(routine) or renewing_argument(routine)):
        kinds.renew.append(routine)
    elif any(map(_PASSWORD, routine.arguments)):
        kinds.sign_in.append(routine)
    elif any(True for _ in cookies.read(routine)):
        (kinds.sign_in if is_proving and routine.arguments else kinds.service).append(routine)


def renews_by_cookie(routine: Routine) -> bool:
    return routine.required == 0 and _RENEWAL_COOKIE(sources.code(routine.source)) is not None


def renewing_argument(routine: Routine) -> str:
    """The only argument that a caller must pass, if the function renews by it; else empty."""
    return routine.arguments[0] if routine.required == 1 and routine.arguments else ""


def token_members(routine: Routine) -> list[str]:
    """The members of its reply that may hold an access token."""
    names = list(routine.members)
    if routine.returns_json:
        names = [text for text in re.split(r"[\0\1]+", sources.quoted(routine.source)) if text.isidentifier()]
    found = (name for name in names if _MEMBER(name) and not _REFRESH_MEMBER(name))
    return list(dict.fromkeys(found))


def returns_token(routine: Routine) -> bool:
    """Whether its reply holds the token: as a member, or as the only value."""
    return not routine.is_void and (
        bool(token_members(routine)) or not (routine.members or routine.returns_json)
    )


def one_of_each_name(routines: Iterable[Routine]) -> list[Routine]:
    """One function for each name: two schemas with the same name would have the same path."""
    named: dict[str, Routine] = {}
    for routine in routines:
        named.setdefault(routine.name, routine)
    return list(named.values())


def names_of(routines: Sequence[Routine]) -> str:
    return ", ".join(f"{one.schema}.{one.name}" for one in one_of_each_name(routines))
