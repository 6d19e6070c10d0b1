"""Sign-ins with wrong passwords, evenly over a time, while another thread measures reads."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from bench.http1 import Broken, Request, connect, read_response

GUESSES = 1_000
_AT_ONCE = 20


def guess(port: int, headers: Mapping[str, str], *, seconds: float) -> Counter[int]:
    """Guess one account's password GUESSES times, evenly over `seconds`. Counts of statuses."""
    began = time.monotonic()

    def guess_some(first: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        with connect(port) as connection:
            for number in range(first, GUESSES, _AT_ONCE):
                due = began + seconds * number / GUESSES
                if time.monotonic() > began + seconds:
                    break  # a peer that checks every password does not finish in time
                time.sleep(max(0.0, due - time.monotonic()))
                body = json.dumps({"user_": "demo", "pass": f"guess{number}"}).encode()
                sized = {**headers, "Content-Length": str(len(body))}
                connection.sendall(Request("/rpc/login", sized, "POST").head(port) + body)
                statuses[read_response(connection).status] += 1
        return statuses

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return sum(pool.map(guess_some, range(_AT_ONCE)), Counter[int]())


def check(statuses: Counter[int]) -> None:
    """Raise Broken if a guess was not rejected."""
    if strange := {status: count for status, count in statuses.items() if status not in {401, 429}}:
        raise Broken(f"guesses got the statuses {strange}")
