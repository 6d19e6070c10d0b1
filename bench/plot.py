"""A bar plot of one figure of one table, as SVG written by hand; readable on light and dark pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 760
_LABEL = 290
_VALUE = 60
_BAR = 22
_STEP = 34
_TOP = 54

_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.bar { fill: #8c959f } .ours { fill: #2f6feb } .spread { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .bar { fill: #6e7681 } .ours { fill: #58a6ff } .spread { stroke: #e6edf3 }
}"""


@dataclass(frozen=True)
class Bar:
    label: str
    value: float
    low: float
    high: float
    ours: bool = False


def svg(title: str, bars: Sequence[Bar], *, digits: int) -> str:
    """Horizontal bars, shortest first, with the span from the lowest to the highest round."""
    ordered = sorted(bars, key=lambda bar: bar.value)
    longest = max(bar.high for bar in ordered)
    height = _TOP + _STEP * len(ordered) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="0" y="24">{escape(title)}</text>',
    ]
    for row, bar in enumerate(ordered):
        lines += _bar(bar, _TOP + row * _STEP, longest, digits)
    return "\n".join([*lines, "</svg>", ""])


def _bar(bar: Bar, top: int, longest: float, digits: int) -> list[str]:
    scale = (_WIDTH - _LABEL - _VALUE) / longest
    width, middle = bar.value * scale, top + _BAR / 2
    low, high = _LABEL + bar.low * scale, _LABEL + bar.high * scale
    kind = "bar ours" if bar.ours else "bar"
    return [
        f'<text x="{_LABEL - 10}" y="{middle + 5}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{kind}" x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="2"/>',
        f'<path class="spread" d="M{low:.1f} {middle}H{high:.1f}"/>',
        f'<text x="{high + 8:.1f}" y="{middle + 5}">{bar.value:.{digits}f}</text>',
    ]
