"""The cases: requests that must be refused or relayed just so, and faults to survive. Data, read and filled.

`cases.jsonl` holds one case a line. `verdict` is what is checked; `expect` and `must_not` say it in words,
and `decided` why the verdict is another where it is. A case with `variants` is played once for each.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.relay.tokens import EXPIRED, OTHER_VALID, VALID, mint
from typing_extensions import override

from cases.text import fill, repeat
from cases.tokens import Recipe, make

ATTACKER_VALID = mint(sub="attacker")
REFRESH = "c2VjcmV0LXJlZnJlc2gtdG9rZW4"
_FILE = Path(__file__).with_name("cases.jsonl")


@dataclass(frozen=True)
class Verdict:
    """What must come of a request."""

    status: tuple[int, ...]  # the answer's; any of these
    relayed: int = 0  # how many requests reach the upstream whole
    untouched: bool = False  # not a byte reaches the upstream
    closes: bool = False  # one answer, then the end of the connection
    target: str = ""  # of the relayed request, byte for byte
    fields: Mapping[str, str] = field(default_factory=dict)  # of the relayed request, each there once
    absent: tuple[str, ...] = ()  # fields that the relayed request lacks
    body: str | None = None  # of the relayed request
    says: Mapping[str, str] = field(default_factory=dict)  # fields of the answer
    silent: tuple[str, ...] = ()  # neither the answer's head nor its body holds this


@dataclass(frozen=True)
class Case:
    """One request to play."""

    id: str
    variant: str
    title: str
    request: str
    verdict: Verdict
    settings: Mapping[str, Any]
    token: Recipe | None

    @override
    def __str__(self) -> str:
        return f"{self.id}-{self.variant}" if self.variant else self.id

    @property
    def made_token(self) -> str:
        return make(self.token) if self.token is not None else ""


def expand(text: str, **values: str) -> str:
    """A text with its placeholders filled in."""
    known = {
        "VALID": VALID, "OTHER_VALID": OTHER_VALID, "ATTACKER_VALID": ATTACKER_VALID, "EXPIRED": EXPIRED,
        "RT": REFRESH, "REFRESH": REFRESH,
    }  # fmt: skip
    return repeat(fill(text, {**known, **values}))


def load() -> Iterator[dict[str, Any]]:
    """Every case as it is written."""
    with _FILE.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def requests() -> Iterator[Case]:
    """Every case that is a request, and each of its variants."""
    for row in load():
        if "verdict" not in row:
            continue
        for name, changes in row.get("variants", {"": {}}).items():
            verdict = {**row["verdict"], **changes.get("verdict", {})}
            recipe = {**row["jwt"], **changes.get("jwt", {})} if "jwt" in row else None
            yield Case(
                id=row["id"],
                variant=name,
                title=row["title"],
                request=changes.get("request", row.get("request", "")),
                verdict=_verdict(verdict),
                settings=changes.get("settings", row.get("settings", {})),
                token=Recipe(**recipe) if recipe is not None else None,
            )


def _verdict(written: Mapping[str, Any]) -> Verdict:
    frozen: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in written.items()
    }
    return Verdict(**frozen)


def faults() -> set[str]:
    """The ids of the cases that inject a fault: each has a function of its own."""
    return {row["id"] for row in load() if "verdict" not in row}
