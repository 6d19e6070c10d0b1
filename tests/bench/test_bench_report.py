from xml.etree import ElementTree as ET

from bench.bed import Bed
from bench.figures import Sample
from bench.peers.peer import Launch, Peer, Running
from bench.plot import Bar, svg
from bench.report import Report, Table, markdown
from bench.rounds import Outcome
from bench.scenarios import Effort, Figure, Scenario


def _measure(_: Bed, __: Running, ___: Effort) -> Sample:
    raise AssertionError("the report measures nothing")


def _launch(_: Bed, __: int) -> Launch:
    raise AssertionError("the report starts nothing")


def _peer(name: str) -> Peer:
    return Peer(name, name.title(), "gateway", lambda: None, lambda: "1.0", _launch)


SCENARIO = Scenario(
    "get-1k",
    "GET, 1 kB response",
    "One client reads.",
    (Figure("cpu_us", "CPU µs/request", 1), Figure("rate", "requests/s")),
    _measure,
    compared="cpu_us",
)


def _report(*outcomes: Outcome) -> str:
    table = Table(SCENARIO, outcomes, "nginx", "python -m bench --scenario get-1k")
    return markdown(
        Report(
            date="2026-11-20",
            machine="A machine",
            load_average=0.12,
            pinned=True,
            rounds=3,
            effort=Effort(64, 5),
            versions=[("Postgate", "0.1.0")],
            missing=[("Envoy", "envoy is not installed")],
            tables=[table],
        )
    )


def test_a_row_holds_the_median_its_span_and_the_ratio_within_the_rounds() -> None:
    ours: list[Sample] = [{"cpu_us": 22.0, "rate": 3.0}, {"cpu_us": 44.0, "rate": 3.0}]
    theirs: list[Sample] = [{"cpu_us": 20.0, "rate": 9.0}, {"cpu_us": 40.0, "rate": 8.0}]
    text = _report(Outcome(_peer("postgate"), ours), Outcome(_peer("haproxy"), theirs))
    assert "| peer | CPU µs/request | requests/s | CPU µs/request ÷ haproxy |" in text
    assert "| Postgate | 33.0 (22.0–44.0) | 3 | 1.10 |" in text  # noqa: RUF001
    assert "| Haproxy | 30.0 (20.0–40.0) | 8 (8–9) | 1 |" in text  # noqa: RUF001


def test_a_peer_that_failed_is_named_with_its_reason_and_gets_no_row() -> None:
    text = _report(Outcome(_peer("postgate"), failure="status 502"))
    assert "Postgate gave no figures: status 502." in text
    assert "| Postgate |" not in text.partition("## GET")[2]
    assert "No peer could be measured." in text


def test_a_missing_peer_is_named_with_its_reason() -> None:
    assert "- Envoy: envoy is not installed" in _report()


def test_every_table_says_how_to_get_it_again() -> None:
    assert "Again: `python -m bench --scenario get-1k`" in _report()


def test_the_plot_is_well_formed_and_orders_the_bars_by_their_value() -> None:
    bars = [Bar("Caddy & co", 90.0, 88.0, 99.0), Bar("Postgate", 22.0, 21.0, 23.0, ours=True)]
    root = ET.fromstring(svg("CPU µs/request", bars, digits=1))  # noqa: S314
    name = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in root.iter(f"{name}text")]
    assert texts == ["CPU µs/request", "Postgate", "22.0", "Caddy & co", "90.0"]
    widths = [float(bar.attrib["width"]) for bar in root.iter(f"{name}rect")]
    assert abs(widths[1] / widths[0] - 90 / 22) < 0.01
