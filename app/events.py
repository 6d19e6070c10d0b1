"""Every event, as a frozen record. The log, the metrics and the spans are observers of events.

An event contains no secret: no token, cookie, password, query string or value from a database error.
Long because it is a flat list, a few lines for each event.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

Defect = BaseException  # an alias, because a compiled dataclass does not resolve the builtin name


class RequestRelayed:
    """A response was relayed completely. A plain class, since each relayed request creates one."""

    __slots__ = (
        "client", "method", "parent", "path", "request_bytes", "request_id", "response_bytes", "role",
        "route", "seconds", "session", "status", "subject", "trace", "upstream_seconds",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917
        self,
        request_id: bytes,
        route: str,
        method: bytes,
        status: int,  # 0: no response had begun
        role: str | None,
        subject: str | None,
        response_bytes: int,  # head and body, as written to the client
        seconds: float,  # from the request's head to the response's last byte
        client: str = "",  # the address
        path: bytes = b"",  # without the query, which may hold personal data
        session: str | None = None,
        request_bytes: int = 0,  # of its body
        upstream_seconds: float = 0.0,  # from the first byte of the request to the first of the response
        trace: bytes = b"",  # the traceparent that the upstream got
        parent: bytes = b"",  # the client's, if the gateway's replaces it
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
    """The gateway responded with an error. A tuple, since a flood creates many."""

    request_id: bytes
    method: bytes
    status: int
    code: str
    reason: str
    client: str = ""
    path: bytes = b""  # unchecked
    function: str = ""  # the auth function, if one was called
    trace: bytes = b""
    parent: bytes = b""


@dataclass(frozen=True, slots=True)
class OptionsHandled:
    """The gateway handled an OPTIONS request itself: a preflight, or one for an auth function."""

    request_id: bytes
    client: str
    path: bytes
    trace: bytes = b""
    parent: bytes = b""


@dataclass(frozen=True, slots=True)
class RequestVerified:
    """Forward auth: another proxy's request was admitted, with this identity."""

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
    """A relay was aborted after its response had begun, and the client can detect it."""

    request_id: bytes
    route: str
    reason: str
    so_far: RequestRelayed | None = None


@dataclass(frozen=True, slots=True)
class ResponseHeaderDropped:
    """A service behind a route attempted to set or clear the session's cookies. Once for each field."""

    request_id: bytes
    route: str
    header: str  # the name of the field, and for Set-Cookie that of the cookie


@dataclass(frozen=True, slots=True)
class FunctionCalled:
    """An auth function was called, and responded with this status."""

    request_id: bytes
    name: str
    status: int
    seconds: float
    client: str = ""
    path: bytes = b""
    sets_session: bool = False  # its reply signs in: it sets a session cookie, or has a token
    trace: bytes = b""
    parent: bytes = b""


@dataclass(frozen=True, slots=True)
class FunctionFailed:
    """An auth function failed; the client got a shortened error, the event has the SQLSTATE."""

    request_id: bytes
    name: str
    sqlstate: str


@dataclass(frozen=True, slots=True)
class SessionRenewed:
    """A renewal inside a request ended: the session was renewed, or is over."""

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
class IssuerKeysFetched:
    """The keys of an issuer were fetched, for the first time or after an outage."""

    issuer: str
    keys: int


@dataclass(frozen=True, slots=True)
class IssuerKeysUnavailable:
    """The keys of an issuer cannot be fetched: the earlier ones stay in use."""

    issuer: str
    reason: str


@dataclass(frozen=True, slots=True)
class AdmissionUnusable:
    """The function that admits tokens of issuers is missing or fails: none is admitted."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class AuditRecordsLost:
    """Failures could not be recorded in the audit table."""

    failures: int


@dataclass(frozen=True, slots=True)
class RevocationsConnected:
    """The gateway listens to the database, and has all revocations."""

    sessions: int


@dataclass(frozen=True, slots=True)
class RevocationsDisconnected:
    """The gateway receives no revocations from the database."""

    reason: str


@dataclass(frozen=True, slots=True)
class MailSent:
    """The SMTP server accepted a mail. Events about mails contain no address."""

    mail: str  # the id of its row in auth.outbox
    purpose: str
    attempts: int
    seconds: float  # from its lease on


@dataclass(frozen=True, slots=True)
class MailFailed:
    """An attempt to send a mail failed."""

    mail: str
    purpose: str
    attempts: int
    reason: str
    is_permanent: bool  # there is no further attempt


@dataclass(frozen=True, slots=True)
class MailDeliveryStopped:
    """No mail can be sent: the SMTP server or the outbox cannot be used."""

    reason: str


@dataclass(frozen=True, slots=True)
class MailDeliveryResumed:
    """Mails can be sent again."""


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A budget of attempts is exhausted. The rejected call has a separate event, RequestRejected."""

    name: str
    scope: str


@dataclass(frozen=True, slots=True)
class LimitStoreLost:
    """The shared store of limits cannot be used: this process counts by itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class LimitStoreRestored:
    """The shared store of limits can be used again."""


@dataclass(frozen=True, slots=True)
class ForwardingUnreadable:
    """A forwarding field of a trusted proxy cannot be read: its clients may count as that proxy."""

    proxy: str
    header: str
    value: str = ""  # the unreadable part; empty: the gateway does not read this field


@dataclass(frozen=True, slots=True)
class InternalFailure:
    """A defect of the gateway; the log has the traceback."""

    request_id: bytes
    error: Defect


@dataclass(frozen=True, slots=True)
class Listening:
    """The gateway accepts connections."""

    public: str
    admin: str
    version: str
    build: str  # compiled or plain
    python: str
    pid: int


@dataclass(frozen=True, slots=True)
class LimitTooLow:
    """A limit of the system is lower than the settings need."""

    text: str
    fix: str


@dataclass(frozen=True, slots=True)
class VariablesIgnored:
    """Variables look like settings, but a platform set them for a service called postgate."""

    names: tuple[str, ...]
    fix: str


@dataclass(frozen=True, slots=True)
class NotReady:
    """Postgres or PostgREST cannot be used: a sentence for each that cannot."""

    postgres: str = ""
    postgrest: str = ""


@dataclass(frozen=True, slots=True)
class BecameReady:
    """Postgres and PostgREST respond, and PostgREST accepts the gateway's tokens."""


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """One of several worker processes has exited."""

    status: int | None
    index: int
    retry_seconds: float | None = None  # until it is started again; None: it is not


@dataclass(frozen=True, slots=True)
class Drained:
    """The process exits: requests in flight were completed, or cut at the deadline."""

    pid: int


@dataclass(frozen=True, slots=True)
class StopForced:
    """The process exits at once: requests in flight are cut."""

    pid: int
    reason: str


@dataclass(frozen=True, slots=True)
class SettingsReloaded:
    """Settings were reloaded."""

    changed: tuple[str, ...]
    need_restart: tuple[str, ...]  # these changed too, and need a restart


@dataclass(frozen=True, slots=True)
class SettingsRejected:
    """Reloaded settings are invalid: the earlier ones stay."""

    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogLinesLost:
    """Log lines were lost because the reader of the log is too slow."""

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
    | IssuerKeysFetched
    | IssuerKeysUnavailable
    | AdmissionUnusable
    | AuditRecordsLost
    | RevocationsConnected
    | RevocationsDisconnected
    | MailSent
    | MailFailed
    | MailDeliveryStopped
    | MailDeliveryResumed
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
