"""What the tests of abuse control share: sign-ins by the hundred, and somebody who reads meanwhile."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from app.settings import Settings, variable
from harness.relay.answers import Answer
from harness.site.client import Field, ask
from harness.site.site import Site

JSON: Field = ("Content-Type", "application/json")
AT_ONCE = 50
# The limits as they are by default: the shared site has none
LIMITED = {
    variable(name): str(field.default)
    for name, field in Settings.model_fields.items()
    if "_limit_" in name and name != "rate_limit_storage"
}


def limited(site: Site, **changes: str) -> Mapping[str, str]:
    """The settings of a gateway in front of the site, with limits."""
    return {**site.environ, **LIMITED, **{variable(name): value for name, value in changes.items()}}


def login(url: str, name: str, password: str, *fields: Field, target: str = "/rpc/login") -> Answer:
    return ask(url, "POST", target, [JSON, *fields], json.dumps({"user_": name, "pass": password}).encode())


def all_at_once(asks: Iterable[Callable[[], Answer]]) -> list[Answer]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda ask_one: ask_one(), asks))


def statuses(answers: Iterable[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def code(answer: Answer) -> str:
    body = json.loads(answer.body)
    assert set(body) == {"code", "message", "details", "hint"}
    return str(body["code"])


def retry_after(answer: Answer) -> int:
    return int(answer.head.value(b"retry-after"))


@contextmanager
def reading(site: Site, url: str) -> Iterator[list[int]]:
    """Somebody signed in who reads all the while; the statuses of what they get."""
    fields = [("Cookie", f"access_token={site.token()}")]
    got: list[int] = []
    stop = Event()

    def read() -> None:
        while not stop.is_set():
            got.append(ask(url, "GET", "/rest/task?select=id", fields).status)

    with ThreadPoolExecutor(1) as reader:
        running = reader.submit(read)
        try:
            yield got
        finally:
            stop.set()
        running.result()
