"""Visitors of a gateway behind a TLS proxy: a page in a browser, and a client that keeps tokens itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.relay.answers import Answer
from harness.site.client import Field, ask

HTTPS: tuple[Field, ...] = (("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "198.51.100.7"))
_GONE = ("max-age=0", "1970")


@dataclass(slots=True)
class Browser:
    """A page of the gateway's own origin: it sends Origin and its cookies, and sees no tokens."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)

    def post(self, target: str, body: Mapping[str, Any], *fields: Field) -> Answer:
        sent = [("Content-Type", "application/json"), ("Origin", "https://gw.test"), *fields]
        return self._send("POST", target, sent, json.dumps(body).encode())

    def get(self, target: str, *fields: Field) -> Answer:
        return self._send("GET", target, [("Sec-Fetch-Site", "same-origin"), *fields], b"")

    def cookie(self, name: str) -> str:
        return self.cookies[f"__Host-{name}"]

    def forget(self, name: str) -> None:
        """What a browser does with a cookie whose time is over."""
        self.cookies.pop(f"__Host-{name}")

    def _send(self, method: str, target: str, fields: list[Field], body: bytes) -> Answer:
        pairs = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        cookie = [("Cookie", pairs)] if pairs else []
        answer = ask(self.url, method, target, [*HTTPS, *fields, *cookie], body)
        for line in answer.head.values(b"set-cookie"):
            pair, _, attributes = line.decode().partition(";")
            name, _, value = pair.partition("=")
            if any(word in attributes.lower() for word in _GONE):
                self.cookies.pop(name, None)
            else:
                assert {"httponly", "secure"} <= {part.strip().lower() for part in attributes.split(";")}
                self.cookies[name] = value
        return answer
