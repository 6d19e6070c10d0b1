"""Responses to errors of the database: SQLSTATE -> status, and which texts the client gets.

The client gets the texts that a function's author wrote. It does not get the server's texts: these quote
values, names and SQL. The table is PostgREST's (versions 12.2 to 16) for calls as the anonymous role.
"""

import re
from typing import Final

import asyncpg

from app.auth.documents import parse
from app.auth.replies import Rejected, Reply, checked_headers, error_reply, is_usable_status
from app.errors import DatabaseBusy, DatabaseUnavailable, GatewayError, Headers, InternalError

_STATUS_BY_STATE: Final = {
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "42501": 401,  # PostgREST: 403 for any other role than the anonymous one
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "53400": 500,
    "57P01": 503,
    "P0001": 400,
}
_STATUS_BY_CLASS: Final = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "21": 500,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "53": 503,
    "54": 500,
    "55": 500,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0": 500,
    "XX": 500,
}
_DEFAULT_STATUS: Final = 400
# PostgREST distinguishes these by the English text of the message
_STATUS_BY_TEXT: Final = (
    ("21000", re.compile(r"requires a WHERE clause"), 400),
    ("22023", re.compile(r"^role .* does not exist$", re.DOTALL), 401),
    ("42883", re.compile(r"^function xmlagg\("), 406),
)
_SERVER_ERROR: Final = 500

_SESSION_LOST: Final = frozenset({"57P01", "57P02", "57P03", "57P05"})
_RETRYABLE: Final = frozenset({"40001", "40P01"})  # serialization failure, deadlock

_BEARER: Final = (b"WWW-Authenticate", b"Bearer")
_REJECTED: Final = "The database refused the call."
_FAILED: Final = "The database failed to carry out the call."
_BAD_RAISE: Final = "The message and detail field of RAISE 'PGRST' error expects JSON"

# What asyncpg raises: errors of the server, and errors of the connection. A RAISE with a state of class 01 or
# 02 becomes a PostgresWarning. It has no writable attributes, so contextlib fails on it
ServerError = asyncpg.PostgresError | asyncpg.PostgresWarning
FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.PostgresWarning,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)


# The request has characters that the database's encoding lacks
_NOT_ENCODABLE: Final = (asyncpg.UntranslatableCharacterError, asyncpg.CharacterNotInRepertoireError)


class Retryable(Exception):
    """The attempt changed nothing, and the call may be repeated once."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure  # to raise if the repetition fails too


def connecting_failed(error: Exception) -> GatewayError:
    """The GatewayError for a connection that could not be opened."""
    state = getattr(error, "sqlstate", None)
    reason = f"connecting: {_name(error)}"
    return DatabaseBusy(reason=reason) if state == "53300" else DatabaseUnavailable(reason=reason)


def preparing_failed(error: Exception) -> Exception:
    """The exception for a failure before the call: the connection, or the gateway's configuration.

    Retryable, Rejected or InternalError.
    """
    if _is_stale(error):
        return Retryable(InternalError(reason=_name(error)))
    if is_lost(error):
        return Retryable(DatabaseUnavailable(reason=_name(error)))
    if isinstance(error, _NOT_ENCODABLE):
        return rejected_value(error.sqlstate or "22P05")
    return InternalError(reason=f"preparing the call: {_name(error)}")


def calling_failed(error: Exception) -> Exception:
    """The exception for a failure in the call: its transaction is rolled back, or the connection lost.

    Retryable, Rejected, DatabaseBusy, DatabaseUnavailable or InternalError.
    """
    if _is_stale(error):
        return Retryable(InternalError(reason=_name(error)))
    if is_lost(error):
        return DatabaseUnavailable(reason=_name(error))
    if not isinstance(error, asyncpg.PostgresError | asyncpg.PostgresWarning):
        return InternalError(reason=_name(error))
    state = error.sqlstate or "XX000"
    if state.startswith("53") and not _is_raised(error):
        return DatabaseBusy(reason=_name(error))
    rejected = Rejected(_reply(error, state))
    return Retryable(rejected) if state in _RETRYABLE else rejected


def converting_failed(error: Exception) -> Exception:
    """The exception for an argument that does not fit its parameter, without the server's message."""
    failed = calling_failed(error)
    if isinstance(failed, Rejected) and isinstance(error, asyncpg.PostgresError):
        return rejected_value(error.sqlstate or "XX000")
    return failed


def is_lost(error: Exception) -> bool:
    """Whether the connection is lost, or its server shuts down."""
    if not isinstance(error, asyncpg.PostgresError):
        return isinstance(
            error, (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
        ) and not isinstance(error, ValueError)
    state = error.sqlstate or ""
    return (state.startswith("08") or state in _SESSION_LOST) and not _is_raised(error)


def _is_stale(error: Exception) -> bool:
    """Whether a statement was prepared before the catalogue changed."""
    return isinstance(error, asyncpg.InvalidCachedStatementError | asyncpg.OutdatedSchemaCacheError)


def _is_raised(error: ServerError) -> bool:
    """Whether the error comes from RAISE in PL/pgSQL: the function's author wrote its texts."""
    return error.server_source_function == "exec_stmt_raise"


def _reply(error: ServerError, state: str) -> Reply:
    if state == "PGRST":
        return _read_raise(error)
    status = _status(state, error.message or "")
    if _is_raised(error) or state.startswith("PT") or state == "P0001":
        message = error.message or ""
        return error_reply(
            status, state, message, details=error.detail, hint=error.hint, headers=_challenge(status)
        )
    return _withheld(status, state)


def rejected_value(state: str) -> Rejected:
    """The reply to a value that Postgres would reject with this SQLSTATE.

    Postgres must not get the value: its message would quote it in the server's log.
    """
    return Rejected(_withheld(_status(state, ""), state))


def _withheld(status: int, state: str) -> Reply:
    message = _FAILED if status >= _SERVER_ERROR else _REJECTED
    return error_reply(status, state, message, headers=_challenge(status), sqlstate=state)


def _challenge(status: int) -> Headers:
    return [_BEARER] if status == 401 else []  # noqa: PLR2004 (required by RFC 9110 section 11.6.1)


def _status(state: str, message: str) -> int:
    if state.startswith("PT"):
        status = int(state[2:]) if state[2:].isdecimal() else 0
        return status if is_usable_status(status) else _SERVER_ERROR
    for listed, pattern, status in _STATUS_BY_TEXT:
        if state == listed and pattern.search(message):
            return status
    return _STATUS_BY_STATE.get(state) or _STATUS_BY_CLASS.get(state[:2], _DEFAULT_STATUS)


def _read_raise(error: ServerError) -> Reply:
    """The reply to `raise sqlstate 'PGRST'`: JSON, the body in MESSAGE, status and headers in DETAIL."""
    try:
        body, response = _object(parse(error.message or "")), _object(parse(error.detail or ""))
        headers = checked_headers(
            (name, _text(value)) for name, value in sorted(_object(response["headers"]).items())
        )
        return error_reply(
            _usable(response["status"]),
            _text(body["code"]),
            _text(body["message"]),
            details=_text_or_none(body.get("details")),
            hint=_text_or_none(body.get("hint")),
            headers=headers,
        )
    except (KeyError, ValueError):
        return error_reply(_SERVER_ERROR, "PGRST121", _BAD_RAISE)


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 (one kind of error for one kind of caller)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a string")  # noqa: TRY004
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _usable(status: object) -> int:
    if type(status) is not int or not is_usable_status(status):  # true is an int as well
        raise ValueError("not a status")
    return status


def _name(error: Exception) -> str:
    """The type of a failure, for the log; its text may hold values."""
    state = getattr(error, "sqlstate", None)
    return type(error).__name__ + (f" {state}" if state else "")
