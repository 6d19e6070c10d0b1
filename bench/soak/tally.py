"""What came of the soak's requests: each one is right, refused, broken or wrong. Judges; knows no sockets."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field

from bench.soak.answers import Answer
from bench.soak.asks import Ask, pattern

RECOVERY_SECONDS = 1.0
_KEPT_OF_A_KIND = 3
_INTERIM = {100, 102}
_FOUR_KEYS = {"code", "message", "details", "hint"}


@dataclass
class Tally:
    """Counts, and whether the upstream is away."""

    counts: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)
    _is_away: bool = False
    _recovered_at: float = 0.0  # after it was away last, at the latest

    def upstream_goes(self) -> None:
        self._is_away = True

    def upstream_is_back(self) -> None:
        self._recovered_at = time.monotonic() + RECOVERY_SECONDS
        self._is_away = False

    def excuses(self, began: float) -> bool:
        """Whether the upstream was away, or just back, at some time since `began`."""
        return self._is_away or self._recovered_at >= began

    def note_wrong(self, kind: str, what: object) -> None:
        """Count something that must not be. The first few of a kind are kept in full."""
        self.counts[f"WRONG ({kind})"] += 1
        if self.counts[f"WRONG ({kind})"] <= _KEPT_OF_A_KIND:
            self.wrongs.append(f"{kind}: {what}")

    def judge(self, ask: Ask, answer: Answer, token: str, began: float) -> None:
        """Count a whole answer."""
        excused = self.excuses(began)
        wrong = find_wrong(ask, answer, token, excused=excused)
        if wrong is not None and excused and _may_be_cut(ask, answer):
            self.counts["broken"] += 1
        elif wrong is not None:
            kind, details = wrong
            self.note_wrong(kind, f"{details}; {ask}")
        elif answer.status == 200:
            self.counts["right"] += 1
        else:
            self.counts[f"refused {answer.status}"] += 1

    def judge_broken(self, ask: Ask, reason: str, began: float) -> None:
        """Count an answer that its client saw end too early."""
        if ask.may_be_broken or self.excuses(began):
            self.counts["broken"] += 1
        else:
            self.note_wrong("no whole answer", f"{reason}; {ask}")


def find_wrong(ask: Ask, answer: Answer, token: str, *, excused: bool) -> tuple[str, str] | None:
    """What is wrong with a whole answer, and the details; or None. `excused`: the upstream was away."""
    if not set(answer.interim) <= _INTERIM:
        return "interim answer", str(answer.interim)
    if answer.status != 200:
        return _find_wrong_refusal(ask, answer, excused=excused)
    if not ask.may_be_right:
        return "an answer that the upstream never gave", str(answer.fields)
    seen = {name: answer.fields.get(name) for name in ("x-nonce", "x-token", "x-received")}
    received = seen["x-received"] if ask.does == "early" else str(max(ask.body, 0))
    if seen != {"x-nonce": ask.nonce, "x-token": token[-16:], "x-received": received}:
        return "the answer to another request, or to half of this one", str(seen)
    if answer.body != (b"" if ask.method == "HEAD" else pattern(ask.nonce, ask.size)):
        return "another body", f"{len(answer.body)} bytes, {answer.body[:40]!r}"
    return None


def _may_be_cut(ask: Ask, answer: Answer) -> bool:
    """Whether it may have been cut by the death of the upstream, unseen.

    A killed process closes its connections in order, and such an answer has no other end.
    """
    of_this = answer.fields.get("x-nonce") == ask.nonce
    return ask.framing == "close" and of_this and pattern(ask.nonce, ask.size).startswith(answer.body)


def _find_wrong_refusal(ask: Ask, answer: Answer, *, excused: bool) -> tuple[str, str] | None:
    if answer.status not in ask.may_be_refused and not (excused and answer.status in {502, 503}):
        return f"status {answer.status}", repr(answer.body[:200])
    if ask.method == "HEAD":
        return None
    try:
        refusal = json.loads(answer.body)
    except ValueError:
        refusal = {}
    if set(refusal) != _FOUR_KEYS or not refusal["code"].startswith("GW"):
        return "a refusal that is not the gateway's", repr(answer.body[:200])
    return None
