"""Whether a soak passed: flat memory, no file or connection left, no wrong answer, nothing in the logs."""

import re
from dataclasses import dataclass, field
from statistics import median

from bench.soak.tally import Tally

_DEFECT = re.compile(r'"level":"(?:error|critical)"|Traceback').search
_FLAT_SHARE = 0.05
_FLAT_BYTES = 2 << 20
_LEAST_SAMPLES = 120  # a minute: before, the gateway is still warming up


@dataclass
class Watch:
    """What was seen of the gateway. `memory` holds a sample for each half second."""

    files: int
    cpu: float = 0.0
    memory: list[int] = field(default_factory=list)
    files_left: int = 0
    left: dict[str, float] = field(default_factory=dict)

    @property
    def early(self) -> int:
        """Memory once it is warm: the fifth tenth of the time."""
        return int(median(self._part(0.4, 0.5)))

    @property
    def late(self) -> int:
        return int(median(self._part(0.9, 1.0)))

    def _part(self, start: float, end: float) -> list[int]:
        count = len(self.memory)
        return self.memory[int(count * start) : max(int(count * end), int(count * start) + 1)]


def find_faults(watch: Watch, tally: Tally, complaints: list[str], log: str) -> list[str]:
    """Everything that must not be, a sentence each."""
    counts = tally.counts
    faults = [f"wrong: {wrong}" for wrong in tally.wrongs]
    faults += [f"the upstream saw: {complaint}" for complaint in complaints]
    if not counts["right"]:
        faults.append("nothing was answered")
    if watch.files_left > watch.files:
        faults.append(f"{watch.files_left - watch.files} files are left open")
    faults += [f"{name} is {value:g} at the end" for name, value in watch.left.items() if value]
    if not watch.left:
        faults.append("the gateway shows no gauges")
    if len(watch.memory) >= _LEAST_SAMPLES:
        growth = watch.late - watch.early
        if growth > max(_FLAT_SHARE * watch.early, _FLAT_BYTES):
            faults.append(f"memory grew by {growth / 1e6:.1f} MB")
    defect = _DEFECT(log)
    if defect is not None:
        faults.append("the gateway's log: " + log[max(0, defect.start() - 300) :][:3_000])
    return faults


def summary(watch: Watch, tally: Tally, seconds: float, *, seed: int, passed: bool) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in sorted(tally.counts.items()))
    memory = f"{watch.early / 1e6:.1f} -> {watch.late / 1e6:.1f} MB" if watch.memory else "not seen"
    rate = tally.counts["right"] / seconds
    return (
        f"soak {'passed' if passed else 'FAILED'}: {seconds:.0f} s, {rate:.0f} right/s, "
        f"gateway at {100 * watch.cpu / seconds:.0f}% of a core; {counts}; memory {memory}; "
        f"files {watch.files} -> {watch.files_left}; left open {sum(watch.left.values()):g}; seed {seed}"
    )
