"""Every noteworthy event, as a frozen record. Logs and metrics are two observers of them.

An event holds nothing secret: no token, cookie, password, query string or value from a database error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

Defect = BaseException  # by a name of our own: compiled, a record does not find it by the other


class RequestRelayed:
    """An upstream's answer went to the client, whole. A plain class: every relayed request makes one."""

    __slots__ = (
        "client", "method", "parent", "path", "request_bytes", "request_id", "response_bytes", "role",
        "route", "seconds", "session", "status", "subject", "trace", "upstream_seconds",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917
        self,
        request_id: bytes,
        route: str,
        method: bytes,
        status: int,  # 0: no answer had begun
        role: str | None,
        subject: str | None,
        response_bytes: int,  # head and body, as written to the client
        seconds: float,  # from the request's head to the answer's last byte
        client: str = "",  # its address, as far back as trust reaches
        path: bytes = b"",  # without the query, which holds what people search for
        session: str | None = None,
        request_bytes: int = 0,  # of its body
        upstream_seconds: float = 0.0,  # from the request's first byte there to its answer's first
        trace: bytes = b"",  # the traceparent that the upstream got
        parent: bytes = b"",  # the client's, if the gateway's own stands in its place
    ) -> None:
        self.request_id = request_id
        self.route = route
        self.method = method
        self.status = status
        self.role = role
        self.subject = subject
        self.response_bytes = response_bytes
        self.seconds = seconds
        self.client = client
        self.path = path
        self.session = session
        self.request_bytes = request_bytes
        self.upstream_seconds = upstream_seconds
        self.trace = trace
        self.parent = parent


class RequestRejected(NamedTuple):
    """The gateway answered with an error of its own. A tuple: a flood makes many."""

    request_id: bytes
    method: bytes
    status: int
    code: str
    reason: str
    client: str = ""
    path: bytes = b""  # of whatever was sent: unchecked
    function: str = ""  # the auth function that was called, if one was
    trace: bytes = b""
    parent: bytes = b""


@dataclass(frozen=True, slots=True)
class OptionsHandled:
    """The gateway answered an OPTIONS request itself: a preflight, or one about an auth function."""

    request_id: bytes
    client: str
    path: bytes
    trace: bytes = b""
    parent: bytes = b""


@dataclass(frozen=True, slots=True)
class RequestVerified:
    """Another proxy was told to let a request pass, and whose it is."""

    request_id: bytes
    method: bytes
    role: str
    subject: str | None
    seconds: float
    client: str = ""
    path: bytes = b""
    session: str | None = None


@dataclass(frozen=True, slots=True)
class RelayAborted:
    """A relay ended before its time, and the client can tell."""

    request_id: bytes
    route: str
    reason: str
    so_far: RequestRelayed | None = None


@dataclass(frozen=True, slots=True)
class ResponseHeaderDropped:
    """A service behind a route tried to set or clear the session's cookies. Once for each header."""

    request_id: bytes
    route: str
    header: str  # its name, and for Set-Cookie the cookie's


@dataclass(frozen=True, slots=True)
class FunctionCalled:
    """An auth function was called, and this was its answer."""

    request_id: bytes
    name: str
    status: int
    seconds: float
    client: str = ""
    path: bytes = b""
    sets_session: bool = False  # its reply signs in: it sets a session cookie, or holds a token
    trace: bytes = b""
    parent: bytes = b""


@dataclass(frozen=True, slots=True)
class FunctionFailed:
    """An auth function failed with an SQLSTATE that the client was not told about in full."""

    request_id: bytes
    name: str
    sqlstate: str


@dataclass(frozen=True, slots=True)
class SessionRenewed:
    """A session was to be renewed inside a request, and the database said whether it goes on."""

    request_id: bytes
    is_renewed: bool
    seconds: float
    trace: bytes = b""  # of its request


@dataclass(frozen=True, slots=True)
class RefreshUnusable:
    """No session can be renewed inside a request: no refresh function, or one that sets no access cookie."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class AuditRecordsLost:
    """Failures that were to be recorded in the audit table are not there."""

    failures: int


@dataclass(frozen=True, slots=True)
class RevocationsConnected:
    """The gateway listens to the database, and knows which sessions have ended."""

    sessions: int


@dataclass(frozen=True, slots=True)
class RevocationsDisconnected:
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
class LimitStoreRestored:
    """The store is back."""


@dataclass(frozen=True, slots=True)
class ForwardingUnreadable:
    """A header of a trusted proxy says nothing of use: who comes through it counts as that proxy."""

    proxy: str
    header: str
    value: str = ""  # what cannot be read; empty: the header is not one that is read


@dataclass(frozen=True, slots=True)
class InternalFailure:
    """A defect of the gateway's own: the traceback is in the log, once."""

    request_id: bytes
    error: Defect


@dataclass(frozen=True, slots=True)
class Listening:
    """The gateway serves."""

    public: str
    admin: str
    version: str
    build: str  # compiled or plain
    python: str
    pid: int


@dataclass(frozen=True, slots=True)
class LimitTooLow:
    """A limit of the system is lower than the settings need: a sentence, and what to do about it."""

    text: str
    fix: str


@dataclass(frozen=True, slots=True)
class VariablesIgnored:
    """Variables that look like settings were put there by a platform, for a service called postgate."""

    names: tuple[str, ...]
    fix: str


@dataclass(frozen=True, slots=True)
class NotReady:
    """What the gateway needs cannot be used: a sentence about each neighbour that is away or wrong."""

    postgres: str = ""
    postgrest: str = ""


@dataclass(frozen=True, slots=True)
class BecameReady:
    """Postgres and PostgREST answer, and PostgREST takes the gateway's tokens."""


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """One of several processes has ended."""

    status: int | None
    index: int
    retry_seconds: float | None = None  # until another one takes its place; None: none does


@dataclass(frozen=True, slots=True)
class Drained:
    """The process ends: what was under way has been answered, or was cut at the deadline, and told of."""

    pid: int


@dataclass(frozen=True, slots=True)
class StopForced:
    """The process ends at once: requests in flight are cut."""

    pid: int
    reason: str


@dataclass(frozen=True, slots=True)
class SettingsReloaded:
    """Settings were read again and hold from now on."""

    changed: tuple[str, ...]
    need_restart: tuple[str, ...]  # these have changed as well, and hold from the next start on


@dataclass(frozen=True, slots=True)
class SettingsRejected:
    """Settings were read again and cannot be used: the earlier ones hold."""

    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogLinesLost:
    """Whoever reads the log was too slow for it."""

    lines: int


Event = (
    RequestRelayed
    | RequestRejected
    | OptionsHandled
    | RequestVerified
    | RelayAborted
    | ResponseHeaderDropped
    | FunctionCalled
    | FunctionFailed
    | SessionRenewed
    | RefreshUnusable
    | AuditRecordsLost
    | RevocationsConnected
    | RevocationsDisconnected
    | LimitReached
    | LimitStoreLost
    | LimitStoreRestored
    | ForwardingUnreadable
    | Listening
    | LimitTooLow
    | VariablesIgnored
    | NotReady
    | BecameReady
    | WorkerExited
    | Drained
    | StopForced
    | SettingsReloaded
    | SettingsRejected
    | LogLinesLost
    | InternalFailure
)
Observer = Callable[[Event], None]
