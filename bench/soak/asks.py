"""One request of the soak: what is asked, how the upstream is to answer it, and what may come of it.

Client and upstream both know how bytes follow from a nonce, so each can tell a right body from another's,
from a cut one and from one with something behind it. Knows nothing of sockets.
"""

import random
import secrets
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlencode

PREFIX = "/rest"
TUNNEL_PREFIX = "/live"

# What the upstream may do instead of answering well: the statuses by which the gateway says so, if it does.
FAULTS: dict[str, frozenset[int]] = {
    "reset": frozenset({502}),
    "close": frozenset({502}),
    "garbage": frozenset({502}),
    "reset in head": frozenset({502}),
    "reset in body": frozenset({502}),
    "close in body": frozenset({502}),
    "reset at close": frozenset({502}),
    "flood of 1xx": frozenset({502}),
    "stall": frozenset({504}),
    "stall in body": frozenset({504}),
}
# What it may do besides answering well: the answer must be right all the same.
ODDITIES = ("1xx", "surplus", "slow", "close after", "close soon after", "early")

_NEVER_BROKEN = frozenset({"reset", "close", "garbage", "reset in head", "flood of 1xx", "stall"})


def pattern(nonce: str, size: int) -> bytes:
    """The body of this size that belongs to this nonce."""
    unit = nonce.encode()
    return (unit * (size // len(unit) + 1))[:size]


def new_nonce() -> str:
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request and the answer it asks for."""

    method: str = "GET"
    size: int = 100  # of the answer's body
    framing: str = "sized"  # of the answer: sized, chunked, close
    does: str = ""  # one of FAULTS or ODDITIES
    body: int = -1  # bytes of the request's body; -1: none
    chunked: bool = False  # the request's body
    fields: tuple[str, ...] = ()
    version: str = "1.1"
    nonce: str = field(default_factory=new_nonce)

    @property
    def target(self) -> str:
        """The target that says all of it to the upstream."""
        query = {"size": self.size, "as": self.framing, "does": self.does, "body": self.body}
        return f"/soak/{self.nonce}?{urlencode(query)}"

    def head(self, token: str | None) -> bytes:
        lines = [
            f"{self.method} {PREFIX}{self.target} HTTP/{self.version}",
            "Host: gateway.test",
            *self.fields,
        ]
        if token is not None:
            lines.append(f"Cookie: access_token={token}")
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif self.body >= 0:
            lines.append(f"Content-Length: {self.body}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def framed_body(self, piece: int = 16_384) -> bytes:
        """The request's body as it goes over the wire."""
        if self.body < 0:
            return b""
        body = pattern(self.nonce, self.body)
        if not self.chunked:
            return body
        pieces = [body[start : start + piece] for start in range(0, len(body), piece)]
        return b"".join(b"%x\r\n%b\r\n" % (len(data), data) for data in (*pieces, b""))

    @property
    def repeatable(self) -> bool:
        """Whether the gateway may send it again when a kept connection turns out to be dead."""
        return self.method in {"GET", "HEAD"} and self.body < 0

    @property
    def may_be_refused(self) -> frozenset[int]:
        """Statuses by which the gateway may say that there is no answer."""
        stale = frozenset() if self.repeatable else frozenset({502})
        return FAULTS.get(self.does, frozenset()) | stale

    @property
    def may_be_broken(self) -> bool:
        """Whether the answer may end early, so that its client can tell."""
        return self.does in FAULTS and self.does not in _NEVER_BROKEN

    @property
    def may_be_right(self) -> bool:
        return self.does not in FAULTS


def read_target(target: str) -> Ask:
    """What the upstream reads from a target. Raises ValueError."""
    path, _, query = target.partition("?")
    values = dict(parse_qsl(query, keep_blank_values=True))
    _, _, nonce = path.rpartition("/")
    return Ask(
        size=int(values["size"]),
        framing=values["as"],
        does=values["does"],
        body=int(values["body"]),
        nonce=nonce,
    )


def any_ask(source: random.Random) -> Ask:
    """An ordinary request of some kind."""
    size = source.choice((0, 1, 100, 1_000, 4_000, 70_000))
    ask = Ask(size=size, framing=source.choices(("sized", "chunked", "close"), (8, 4, 1))[0])
    kind = source.choices(("get", "head", "post", "chunked"), (6, 1, 3, 2))[0]
    if kind == "get":
        return ask
    if kind == "head":
        return replace(ask, method="HEAD")
    body = source.choice((0, 10, 3_000, 100_000))
    return replace(ask, method=source.choice(("POST", "PATCH")), body=body, chunked=kind == "chunked")


def as_old(ask: Ask) -> Ask:
    """The same of an HTTP/1.0 client, whose answers may be ended by the connection."""
    return replace(ask, version="1.0", chunked=False)
