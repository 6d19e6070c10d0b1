"""Readiness: the probes of Postgres and PostgREST, and what they found last."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from app.events import BecameReady, NotReady, Observer
from app.network import words

PROBE_SECONDS: Final = 2.0

# A sentence about what is wrong with Postgres or PostgREST; empty: nothing
Probe = Callable[[], Awaitable[str]]


class Readiness:
    """Whether the process can serve: it has started, is not draining, and all probes succeed."""

    def __init__(self, probes: Mapping[str, Probe], observe: Observer) -> None:
        self.begun = self.draining = False
        self._probes = probes
        self._observe = observe
        self._reported: dict[str, str] | None = None

    async def check(self) -> dict[str, bool]:
        """The state of the process and of each probe; emits an event when the probes' results change."""
        sentences = await asyncio.gather(*(_run(probe) for probe in self._probes.values()))
        problems = dict(zip(self._probes, sentences, strict=True))
        serving = self.begun and not self.draining
        if serving:
            self._report({name: wrong for name, wrong in problems.items() if wrong})
        return {"serving": serving, **{name: not wrong for name, wrong in problems.items()}}

    def _report(self, wrong: dict[str, str]) -> None:
        if wrong != self._reported:
            self._observe(NotReady(**wrong) if wrong else BecameReady())
            self._reported = wrong


async def _run(probe: Probe) -> str:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await probe()
    except TimeoutError:
        return f"It does not respond within {PROBE_SECONDS:g} s."
    except Exception as error:  # noqa: BLE001  any error of a probe means not ready
        return f"It cannot be reached: {words(error)}."
