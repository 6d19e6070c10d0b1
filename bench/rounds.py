"""Runs a scenario over its peers in turns (A B C, A B C, ...) and collects the samples.

Peers take turns, so that a disturbance of the machine affects all peers of a round.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.bed import Bed
from bench.figures import Sample
from bench.http1 import Broken
from bench.load import Load, LoadBroken, run_wrk
from bench.peers.peer import Peer, Running
from bench.process import ChildEnded
from bench.scenarios import Effort, Scenario

_WARM_SECONDS = 1
_FAILURES = (Broken, LoadBroken, ChildEnded, OSError)  # TimeoutError is an OSError


@dataclass
class Outcome:
    """The samples of one peer, or the reason for their absence."""

    peer: Peer
    samples: list[Sample] = field(default_factory=list)
    failure: str | None = None


def run_rounds(
    scenario: Scenario,
    peers: Sequence[Peer],
    bed: Bed,
    *,
    effort: Effort,
    rounds: int,
    say: Callable[[str], None],
) -> list[Outcome]:
    outcomes = [Outcome(peer) for peer in peers if peer.kind in scenario.kinds]
    for turn in range(rounds):
        for outcome in outcomes:
            if outcome.failure is None:
                _run_turn(scenario, outcome, bed, effort)
                say(_line(scenario, outcome, turn))
    return outcomes


def _run_turn(scenario: Scenario, outcome: Outcome, bed: Bed, effort: Effort) -> None:
    try:
        with contextlib.ExitStack() as stack:
            bed.upstream.settle()
            peer = stack.enter_context(outcome.peer.started(bed))
            if scenario.warm:
                _warm(peer, bed.upstream.path, effort)
            outcome.samples.append(scenario.measure(bed, peer, effort))
    except _FAILURES as exc:
        outcome.samples.clear()
        outcome.failure = str(exc) or type(exc).__name__


def _warm(peer: Running, path: str, effort: Effort) -> None:
    load = Load(peer.prefix + path, peer.headers)
    run_wrk(load, port=peer.port, connections=effort.connections, seconds=_WARM_SECONDS)


def _line(scenario: Scenario, outcome: Outcome, turn: int) -> str:
    start = f"{scenario.name} round {turn + 1} {outcome.peer.name}: "
    if outcome.failure is not None:
        return start + f"failed: {outcome.failure}"
    sample = outcome.samples[-1]
    shown = [figure for figure in scenario.figures if figure.key in sample]
    return start + ", ".join(f"{f.title} {sample[f.key]:.{f.digits}f}" for f in shown)
