"""As much of PromQL as a test needs to hold an expression against the metrics that there are."""

import re
from dataclasses import dataclass

from app.metrics import FAMILIES, Family

BY_NAME = {family.name: family for family in FAMILIES}
TARGET = {"instance", "job"}  # what Prometheus adds to everything it scrapes
PARTS = ("_bucket", "_count", "_sum")
RANGE = r"\[(?:\d+[smhd]|\$__rate_interval)\]"
WORDS = {
    "by", "count", "histogram_quantile", "increase", "label_replace", "max", "min", "or", "rate", "sum",
    "time", "up", "vector",
}  # fmt: skip


@dataclass(frozen=True)
class Selector:
    """A metric as it stands in an expression."""

    family: Family
    part: str  # of a histogram: _bucket, _count or _sum
    matchers: dict[str, tuple[str, str]]  # label -> operator and value
    is_range: bool

    @property
    def labels(self) -> set[str]:
        return {*self.family.labels, *TARGET, *(["le"] if self.part == "_bucket" else [])}


def selectors(expression: str) -> list[Selector]:
    """Every metric of the gateway's. KeyError: there is none of that name."""
    found = re.finditer(rf"\b((?:gateway|process)_\w+)(?:\{{([^}}]*)\}})?({RANGE})?", expression)
    return [_selector(*match.groups()) for match in found]


def _selector(name: str, matchers: str | None, in_range: str | None) -> Selector:
    part = next((end for end in PARTS if name.endswith(end) and name not in BY_NAME), "")
    family = BY_NAME[name.removesuffix(part)]
    assert bool(part) == (family.kind == "histogram"), name
    read = re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', matchers or "")
    assert ", ".join(f'{label}{operator}"{value}"' for label, operator, value in read) == (matchers or "")
    return Selector(
        family, part, {label: (operator, value) for label, operator, value in read}, bool(in_range)
    )


def grouped(expression: str) -> set[str]:
    """The labels that are left when sums are made."""
    return {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(", ")}


def made(expression: str) -> set[str]:
    """The labels that the expression makes itself."""
    return set(re.findall(r'label_replace\(.*?, "(\w+)", "\$1", "\w+", ', expression))


def check(expression: str) -> None:
    """That it speaks of what there is, in a way that means something."""
    told = selectors(expression)
    known: set[str] = set().union(*(each.labels for each in told), made(expression), TARGET)
    assert grouped(expression) <= known, expression
    for each in told:
        assert set(each.matchers) <= each.labels, expression
        assert each.is_range == (each.family.kind != "gauge"), f"counters are read as rates: {expression}"
        values = {known for (known, *_) in filter(None, each.family.known)}
        matched = {label: value for label, (sign, value) in each.matchers.items() if sign == "="}
        told_values = {matched[label] for label in each.family.labels if label in matched}
        assert not values or told_values <= values, expression
    if "histogram_quantile" in expression:
        assert "le" in grouped(expression), expression
    without_text = re.sub(r'"[^"]*"', '""', expression)
    for opening, closing in ("()", "{}", "[]"):
        assert without_text.count(opening) == without_text.count(closing), expression
    bare = re.sub(rf"\{{[^}}]*\}}|{RANGE}|\bby \([^)]*\)", "", without_text)
    words = set(re.findall(r"[A-Za-z_]\w*", bare))
    assert {word for word in words if not word.startswith(("gateway_", "process_"))} <= WORDS, expression
