"""Every noteworthy event, as a frozen record. Logs and metrics are two observers of them.

An event holds nothing secret: no token, cookie, password, query string or value from a database error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class RequestRelayed(NamedTuple):
    """An upstream's answer went to the client, whole. A tuple: every relayed request makes one."""

    request_id: bytes
    route: str
    method: bytes
    status: int
    role: str | None
    subject: str | None
    response_bytes: int  # head and body, as written to the client
    seconds: float  # from the request's head to the answer's last byte


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """The gateway answered with an error of its own."""

    request_id: bytes
    method: bytes
    status: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class RelayAborted:
    """A relay ended before its time, and the client can tell."""

    request_id: bytes
    route: str
    reason: str


@dataclass(frozen=True, slots=True)
class FunctionCalled:
    """An auth function was called, and this was its answer."""

    request_id: bytes
    name: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FunctionFailed:
    """An auth function failed with an SQLSTATE that the client was not told about in full."""

    request_id: bytes
    name: str
    sqlstate: str


@dataclass(frozen=True, slots=True)
class SessionRenewed:
    """An access token was renewed inside a request, or could not be."""

    request_id: bytes
    is_renewed: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class RevocationsHeard:
    """The gateway listens to the database, and knows which sessions have ended."""

    sessions: int


@dataclass(frozen=True, slots=True)
class RevocationsMissed:
    """The gateway does not hear which sessions end."""

    reason: str


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A budget of tries was spent. The refusal of the call that found out has an event of its own."""

    name: str
    scope: str


@dataclass(frozen=True, slots=True)
class LimitStoreLost:
    """The store that limits are counted in cannot be reached: this process counts for itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class LimitStoreFound:
    """The store is back."""


@dataclass(frozen=True, slots=True)
class InternalFailed:
    """A defect of the gateway's own: the traceback is in the log, once."""

    request_id: bytes
    error: BaseException


Event = (
    RequestRelayed
    | RequestRefused
    | RelayAborted
    | FunctionCalled
    | FunctionFailed
    | SessionRenewed
    | RevocationsHeard
    | RevocationsMissed
    | LimitReached
    | LimitStoreLost
    | LimitStoreFound
    | InternalFailed
)
Observer = Callable[[Event], None]
