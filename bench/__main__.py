"""`python -m bench`: measure Postgate and its peers side by side.

Without arguments, it runs all scenarios and writes bench/results.md and bench/results.svg. A partial run
(--scenario, --peers) only prints, unless --out names a folder.
"""

import argparse
import datetime as dt
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from bench.bed import Bed, new_secret
from bench.cores import cores_here
from bench.figures import spread
from bench.idle import raise_descriptor_limit
from bench.machine import load_average, machine_line
from bench.peers import PEERS
from bench.peers.peer import Peer, needs_program
from bench.plot import Bar, svg
from bench.report import Report, Table, markdown
from bench.rounds import run_rounds
from bench.scenarios import SCENARIOS, Effort, Scenario

_HERE = Path(__file__).parent
_Named = TypeVar("_Named", Peer, Scenario)


def main() -> int:
    options = _options()
    for program in ("wrk", "nginx", "taskset"):
        if reason := needs_program(program, "run bench/install.sh first"):
            print(f"bench: {reason}", file=sys.stderr)
            return 2
    # so that every peer is stopped at the exit
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise_descriptor_limit()
    scenarios = _chosen(options.scenario, SCENARIOS)
    peers = _chosen(options.peers, PEERS)
    report = _measure(scenarios, peers, options)
    text = markdown(report)
    print(text)
    if options.out:
        _write(options.out, text, report.tables[0])
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = ", ".join(scenario.name for scenario in SCENARIOS)
    parser.add_argument("--scenario", action="append", help=f"comma-separated or repeated, of: {names}")
    names = ", ".join(peer.name for peer in PEERS)
    parser.add_argument("--peers", action="append", help=f"comma-separated or repeated, of: {names}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="length of one run of wrk")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--out", type=Path, help="folder for results.md and results.svg")
    options = parser.parse_args()
    if options.out is None and options.scenario is None and options.peers is None:
        options.out = _HERE
    return options


def _chosen(options: Sequence[str] | None, known: Sequence[_Named]) -> list[_Named]:
    """The items that the options name, each once; without options, all."""
    if options is None:
        return list(known)
    by_name = {item.name: item for item in known}
    wanted = list(dict.fromkeys(name.strip() for option in options for name in option.split(",")))
    if unknown := [name for name in wanted if name not in by_name]:
        sys.exit(f"bench: unknown: {', '.join(unknown)}; known: {', '.join(by_name)}")
    return [by_name[name] for name in wanted]


def _measure(scenarios: Sequence[Scenario], peers: Sequence[Peer], options: argparse.Namespace) -> Report:
    effort = Effort(options.connections, options.seconds)
    reasons = {peer.name: peer.missing() for peer in peers}
    present = [peer for peer in peers if reasons[peer.name] is None]
    missing = [(peer.title, reason) for peer in peers if (reason := reasons[peer.name])]
    for title, reason in missing:
        _say(f"missing: {title}: {reason}")
    machine, load = machine_line(), load_average()  # before this process is pinned and busy
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    cores, secret, tables = cores_here(), new_secret(), []
    with tempfile.TemporaryDirectory(prefix="pg-bench-") as folder:
        for scenario in scenarios:
            gateway_cpu = cores.pin(apart=scenario.cores_apart)
            with scenario.upstream(Path(folder), secret) as upstream:
                bed = Bed(Path(folder), upstream, secret, gateway_cpu)
                outcomes = run_rounds(scenario, present, bed, effort=effort, rounds=options.rounds, say=_say)
            tables.append(Table(scenario, outcomes, upstream.title, _command(scenario, peers, options)))
    return Report(
        date=today,
        machine=machine,
        load_average=load,
        pinned=cores.gateway is not None,
        rounds=options.rounds,
        effort=effort,
        versions=[
            (peer.title, peer.version())
            for peer in present
            if peer.launch and peer.kind not in {"renewal", "keys"}
        ],
        missing=missing,
        tables=tables,
    )


def _command(scenario: Scenario, peers: Sequence[Peer], options: argparse.Namespace) -> str:
    words = [".venv/bin/python", "-m", "bench", "--scenario", scenario.name]
    if len(peers) < len(PEERS):
        words += ["--peers", ",".join(peer.name for peer in peers)]
    words += ["--rounds", str(options.rounds), "--seconds", str(options.seconds)]
    words += ["--connections", str(options.connections)]
    return shlex.join(words)


def _write(folder: Path, text: str, first: Table) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(text, encoding="utf-8")
    figure = first.scenario.figures[0]
    bars = []
    for outcome in first.outcomes:
        if outcome.samples:
            value = spread([sample[figure.key] for sample in outcome.samples])
            ours = outcome.peer.name == "postgate"
            bars.append(Bar(outcome.peer.title, value.median, value.low, value.high, ours=ours))
    if bars:
        title = f"{figure.title} ({first.scenario.title}; less is better)"
        (folder / "results.svg").write_text(svg(title, bars, digits=figure.digits), "utf-8")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
