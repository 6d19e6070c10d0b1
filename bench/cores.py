"""Assignment of processes to cores. On a single core, nothing is pinned."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Cores:
    """`gateway`: the core of the measured peer; load and upstream use the others."""

    every: frozenset[int]
    gateway: int | None

    def pin(self, *, apart: bool) -> int | None:
        """Pin this process and its children. Returns the core for the peer, if any."""
        if not apart or self.gateway is None:
            os.sched_setaffinity(0, self.every)
            return None
        os.sched_setaffinity(0, self.every - {self.gateway})
        return self.gateway


def cores_here() -> Cores:
    every = frozenset(os.sched_getaffinity(0))
    return Cores(every, min(every) if len(every) > 1 else None)
