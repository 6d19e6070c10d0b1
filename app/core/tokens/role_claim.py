"""Where a token's role is: PostgREST's `jwt-role-claim-key`, read as PostgREST reads it.

Three spellings are accepted: a plain claim name (`role`), PostgREST's own path (`.realm_access.roles[0]`,
`."https://app.example/role"`, and from version 13 on a filter as the last step, `.roles[?(@ ^== "app_")]`),
and the queries of RFC 9535 that name at most one value (`$.realm_access.roles[0]`, `$['my role']`), which
PostgREST 16 takes.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_DOT_NAME: Final = r"\.(?:(?P<name>[^\W]+[\w$@]*|[\w$@]+)|\"(?P<quoted>[^\"]*)\")"
_STEP: Final = re.compile(
    rf"{_DOT_NAME}"
    r"|\[(?P<index>\d{1,9})\]"
    r"|\['(?P<single>[^'\\]*)'\]|\[\"(?P<double>[^\"\\]*)\"\]"
    r"|\[\?\(@\s*(?P<operator>==\^|==|!=|\^==|\*==)\s*\"(?P<wanted>[^\"]*)\"\)\]"
)
_MATCHES: Final[dict[str, Callable[[str, str], bool]]] = {
    "==": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "^==": lambda value, wanted: value.startswith(wanted),
    "==^": lambda value, wanted: value.endswith(wanted),
    "*==": lambda value, wanted: wanted in value,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """The first text of an array that compares as wanted."""

    operator: str
    wanted: str


Step = str | int | Filter
MISSING: Final = object()  # where a path ends before its last step; a claim may be null


@dataclass(frozen=True, slots=True)
class RoleClaim:
    """A path through the claims of a token."""

    text: str  # as it was written
    steps: tuple[Step, ...]

    def find(self, claims: Mapping[str, Any]) -> Any:
        """The value at the end of the path; MISSING where there is none."""
        value: Any = claims
        for step in self.steps:
            value = _walk(value, step)
        return value

    def place(self, role: str) -> dict[str, Any]:
        """Claims in which the path finds this role. Raises ValueError where a filter does not match it."""
        value: Any = role
        for step in reversed(self.steps):
            if isinstance(step, str):
                value = {step: value}
            elif isinstance(step, int):
                value = [None] * step + [value]
            elif _MATCHES[step.operator](role, step.wanted):
                value = [value]
            else:
                raise ValueError("a filter that this role does not match")
        claims: dict[str, Any] = value  # the first step is a name
        return claims

    def describe(self) -> str:
        """The path in PostgREST's own spelling, which every version from 12 on reads."""
        return "".join(_describe(step) for step in self.steps)


def read_role_claim(text: str) -> RoleClaim:
    """Read the setting. Raises ValueError with words that follow its name."""
    if not text:
        raise ValueError("is empty")
    if text[0] not in {".", "$"}:
        return RoleClaim(text, (text,))
    steps = _read_steps(text, text.removeprefix("$"), is_query=text[0] == "$")
    if not steps or not isinstance(steps[0], str):
        raise ValueError("names no claim")
    if any(isinstance(step, Filter) for step in steps[:-1]):
        raise ValueError("has a filter before the last step: it is only taken as the last one")
    return RoleClaim(text, steps)


def _read_steps(text: str, rest: str, *, is_query: bool) -> tuple[Step, ...]:
    steps: list[Step] = []
    while rest:
        found = _STEP.match(rest)
        if found is None or (not is_query and not steps and not rest.startswith(".")):
            raise ValueError(f"cannot be read from character {len(text) - len(rest) + 1} on")
        steps.append(_step(found))
        rest = rest[found.end() :]
    return tuple(steps)


def _step(found: re.Match[str]) -> Step:
    if found["index"] is not None:
        return int(found["index"])
    if found["operator"] is not None:
        return Filter(found["operator"], found["wanted"])
    names = (found["name"], found["quoted"], found["single"], found["double"])
    return next(name for name in names if name is not None)


def _walk(value: Any, step: Step) -> Any:
    if isinstance(step, str):
        return value.get(step, MISSING) if isinstance(value, dict) else MISSING
    if not isinstance(value, list):
        return MISSING
    if isinstance(step, int):
        return value[step] if step < len(value) else MISSING
    matches = _MATCHES[step.operator]
    return next((text for text in value if isinstance(text, str) and matches(text, step.wanted)), MISSING)


def _describe(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if isinstance(step, Filter):
        return f'[?(@ {step.operator} "{step.wanted}")]'
    return f".{step}" if re.fullmatch(r"[\w$@]+", step) else f'."{step}"'
