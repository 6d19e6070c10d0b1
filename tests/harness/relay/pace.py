"""Sending and reading slowly, on purpose."""

import select
import time

from harness.relay.deadlines import wait_until
from harness.relay.wire import Wire


def drip(wire: Wire, data: bytes, *, seconds: float, seen: Wire | None = None) -> bool:
    """Send byte by byte over `seconds`; False as soon as `seen` (or the wire) has something to read."""
    pause = seconds / len(data)
    for position in range(len(data)):
        if select.select([(seen or wire).sock], [], [], pause)[0]:
            return False
        wire.send(data[position : position + 1])
    return True


def sip(wire: Wire, count: int, *, seconds: float) -> bytes:
    """Read `count` bytes, a little at a time, over `seconds`."""
    step = max(1, count // 20)
    pause = seconds * step / count
    taken = bytearray()
    while len(taken) < count:
        began = time.monotonic()
        data = wire.sock.recv(min(step, count - len(taken)))
        assert data, f"cut after {len(taken)} bytes of {count}"
        taken += data
        wait_until(lambda: time.monotonic() - began > pause, "the next sip")  # noqa: B023
    return bytes(taken)


def feed(wire: Wire, data: bytes, stop: Wire) -> bytes:
    """Send what is taken without waiting; the rest is returned."""
    left = memoryview(data)
    wire.sock.setblocking(False)  # noqa: FBT003
    while (
        left and select.select([], [wire.sock], [], 0.05)[1] and not select.select([stop.sock], [], [], 0)[0]
    ):
        left = left[wire.sock.send(left) :]
    wire.sock.setblocking(True)  # noqa: FBT003
    return bytes(left)
