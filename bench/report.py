"""The report in Markdown: one table per scenario, with the conditions and the command to repeat it.

Contains only figures of this run. A peer without figures is listed with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import Spread, ratio, spread
from bench.rounds import Outcome
from bench.scenarios import Effort, Figure, Scenario

_REFERENCES = ("haproxy", "caddy-jwt", "caddy-jwx", "caddy", "renewal-off", "hs256")


@dataclass(frozen=True)
class Table:
    scenario: Scenario
    outcomes: Sequence[Outcome]
    upstream: str
    command: str


@dataclass(frozen=True)
class Report:
    date: str
    machine: str
    load_average: float
    pinned: bool
    rounds: int
    effort: Effort
    versions: Sequence[tuple[str, str]]
    missing: Sequence[tuple[str, str]]
    tables: Sequence[Table]


def markdown(report: Report) -> str:
    parts = [_preamble(report), *(_section(table) for table in report.tables)]
    return "\n\n".join(parts) + "\n"


_METHOD = """\
Rounds: {rounds}; in each of them the peers took turns. A cell is the median of the rounds, with the \
lowest and the highest in brackets; a ratio is taken within each round.
Load: wrk, {connections} connections, {seconds} s a run after 1 s of warming up. Every run starts \
a new process with one worker or thread. {cores}
CPU is the user and system time of the peer's processes, divided by the requests of the run.
"""


def _preamble(report: Report) -> str:
    method = _METHOD.format(
        rounds=report.rounds,
        connections=report.effort.connections,
        seconds=report.effort.seconds,
        cores="The peer is pinned to one core, load and upstream share the rest, "
        "unless the table says otherwise."
        if report.pinned
        else "Peer, load and upstream share the only core.",
    )
    lines = [
        "# Measured side by side",
        "",
        f"{report.date}. {report.machine}. Load average before the run: {report.load_average:.2f}.",
        "",
        method,
        "| peer | version |",
        "|---|---|",
        *(f"| {title} | {version} |" for title, version in report.versions),
    ]
    if report.missing:
        lines += ["", "Missing in this run:", ""]
        lines += [f"- {title}: {reason}" for title, reason in report.missing]
    return "\n".join(lines)


def _section(table: Table) -> str:
    measured = [outcome for outcome in table.outcomes if outcome.samples]
    failed = [outcome for outcome in table.outcomes if not outcome.samples]
    lines = [f"## {table.scenario.title}", "", f"{table.scenario.about} Upstream: {table.upstream}.", ""]
    lines += _rows(table.scenario, measured) if measured else ["No peer could be measured."]
    lines += [f"\n{o.peer.title} gave no figures: {o.failure}." for o in failed]
    lines += ["", f"Again: `{table.command}`"]
    return "\n".join(lines)


def _rows(scenario: Scenario, outcomes: Sequence[Outcome]) -> list[str]:
    references = _references(scenario, outcomes)
    titles = [figure.title for figure in scenario.figures]
    compared = next((f.title for f in scenario.figures if f.key == scenario.compared), "")
    titles += [f"{compared} ÷ {reference.peer.name}" for reference in references]
    lines = ["| peer | " + " | ".join(titles) + " |", "|---" + "|---:" * len(titles) + "|"]
    for outcome in outcomes:
        cells = [_cell(figure, outcome) for figure in scenario.figures]
        cells += [_ratio_cell(scenario.compared, outcome, other) for other in references]
        lines.append(f"| {outcome.peer.title} | " + " | ".join(cells) + " |")
    return lines


def _references(scenario: Scenario, outcomes: Sequence[Outcome]) -> list[Outcome]:
    if not scenario.compared:
        return []
    by_name = {outcome.peer.name: outcome for outcome in outcomes}
    return [by_name[name] for name in _REFERENCES if name in by_name]


def _cell(figure: Figure, outcome: Outcome) -> str:
    if figure.key not in outcome.samples[0]:
        return "–"  # noqa: RUF001
    return _shown(spread([sample[figure.key] for sample in outcome.samples]), figure.digits)


def _ratio_cell(key: str, outcome: Outcome, reference: Outcome) -> str:
    if outcome is reference:
        return "1"
    ours = [sample[key] for sample in outcome.samples]
    return _shown(ratio(ours, [sample[key] for sample in reference.samples]), 2)


def _shown(value: Spread, digits: int) -> str:
    median = f"{value.median:.{digits}f}"
    if value.low == value.high:
        return median
    return f"{median} ({value.low:.{digits}f}–{value.high:.{digits}f})"  # noqa: RUF001
