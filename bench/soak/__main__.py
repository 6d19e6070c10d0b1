"""`python -m bench.soak --minutes 10`: run it, print one line, and end with status 1 if anything was found.

`--compiled` soaks the extensions that `make compile` builds; `--seed` repeats a run's choices.
"""

import argparse
import asyncio
import random
import secrets
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from bench.bed import Bed, new_secret
from bench.bed import Upstream as BedUpstream
from bench.soak.pressure import press
from bench.soak.tally import Tally
from bench.soak.target import Gateway, Upstream, gateway, upstream
from bench.soak.verdict import Watch, find_faults, summary
from bench.soak.visit import Visitor
from bench.soak.visits import go_on_visiting

_PRESSING = 16
_VISITING = 48
_TOKENS = 50
_SAMPLE_SECONDS = 0.5
_AWAY_SECONDS = (0.1, 1.0)
_BETWEEN_SECONDS = (5.0, 15.0)


@dataclass
class Soak:
    gateway: Gateway
    upstream: Upstream
    bed: Bed
    seconds: float
    random: random.Random
    tally: Tally = field(default_factory=Tally)

    async def run(self, watch: Watch) -> None:
        until = time.monotonic() + self.seconds
        tokens = [self.bed.token(f"user{number}") for number in range(_TOKENS)]
        visitor = Visitor(self.gateway.port, self.tally, self.random, tokens)
        async with asyncio.TaskGroup() as tasks:
            for number in range(_PRESSING):
                tasks.create_task(press(self.gateway.port, self.tally, tokens[number], until))
            for _ in range(_VISITING):
                tasks.create_task(go_on_visiting(visitor, until))
            tasks.create_task(self._restart_upstream(until))
            tasks.create_task(self._renew_tokens(tokens, until))
            tasks.create_task(self._sample(watch, until))

    async def _restart_upstream(self, until: float) -> None:
        """Kill the upstream now and then, as a deployment or the kernel would."""
        while (pause := self.random.uniform(*_BETWEEN_SECONDS)) + time.monotonic() + 3 < until:
            await asyncio.sleep(pause)
            self.tally.upstream_goes()
            self.upstream.kill()
            await asyncio.sleep(self.random.uniform(*_AWAY_SECONDS))
            self.upstream.start()
            await asyncio.to_thread(self.upstream.wait_listening)
            self.tally.upstream_is_back()
            self.tally.counts["restarts"] += 1

    async def _renew_tokens(self, tokens: list[str], until: float) -> None:
        """People come and go: each second somebody gets another token."""
        while time.monotonic() < until:
            tokens[self.random.randrange(len(tokens))] = self.bed.token(secrets.token_hex(4))
            await asyncio.sleep(1)

    async def _sample(self, watch: Watch, until: float) -> None:
        while time.monotonic() < until:
            watch.memory.append(self.gateway.memory)
            await asyncio.sleep(_SAMPLE_SECONDS)


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no process is left
    with tempfile.TemporaryDirectory(prefix="pg-soak-") as folder:
        return _soak(Path(folder), options.minutes * 60, seed=options.seed, compiled=options.compiled)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--compiled", action="store_true", help="the gateway that `make compile` built")
    return parser.parse_args()


def _soak(folder: Path, seconds: float, *, seed: int, compiled: bool) -> int:
    secret = new_secret()
    with upstream(folder, seed) as behind:
        bed = Bed(folder, BedUpstream("the soak's own", behind.port), secret, None)
        with gateway(folder, behind.port, secret, bed.token(), compiled=compiled) as target:
            soak = Soak(target, behind, bed, seconds, random.Random(seed))  # noqa: S311  faults, not secrets
            target.wait_quiet()
            watch = Watch(files=target.count_files(), cpu=target.cpu_seconds)
            uvloop.run(soak.run(watch))
            if target.is_running:  # else it shows no gauges, which is a fault
                watch.cpu = target.cpu_seconds - watch.cpu
                watch.left = target.wait_quiet()
                watch.files_left = target.count_files(watch.files)
        faults = find_faults(watch, soak.tally, behind.complaints(), target.log.read_text(errors="replace"))
    for fault in faults:
        print(f"soak: {fault}", file=sys.stderr)
    print(summary(watch, soak.tally, seconds, seed=seed, passed=not faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
