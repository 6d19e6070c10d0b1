"""What a failure of the database means to the client: SQLSTATE -> status, and how much of it is told.

An author's words are passed on, the server's are not: those quote values, names and SQL. The table is
PostgREST's, versions 12.2 to 16, for calls of the anonymous role.
"""

import re
from typing import Final

import asyncpg

from app.auth.documents import parse
from app.auth.replies import Refused, Reply, checked_headers, error_reply, is_usable_status
from app.errors import DatabaseBusy, DatabaseUnavailable, GatewayError, Headers, InternalError

_STATUS_BY_STATE: Final = {
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "42501": 401,  # 403 for a role that has signed in
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
_STATUS_OF_THE_REST: Final = 400
# States that PostgREST tells apart by the English text of the message
_STATUS_BY_TEXT: Final = (
    ("21000", re.compile(r"requires a WHERE clause"), 400),
    ("22023", re.compile(r"^role .* does not exist$", re.DOTALL), 401),
    ("42883", re.compile(r"^function xmlagg\("), 406),
)
_SERVER_ERROR: Final = 500

_SESSION_LOST: Final = frozenset({"57P01", "57P02", "57P03", "57P05"})
_WORTH_ANOTHER_TRY: Final = frozenset({"40001", "40P01"})  # rolled back for others' sake

_BEARER: Final = (b"WWW-Authenticate", b"Bearer")
_REFUSED: Final = "The database refused the call."
_FAILED: Final = "The database failed to carry out the call."
_BAD_RAISE: Final = "The message and detail field of RAISE 'PGRST' error expects JSON"

# What asyncpg raises: what the server said, and that there is no server to say it. A RAISE with a state
# of class 01 or 02 comes as a PostgresWarning, on which contextlib fails for it cannot be written to
ServerSaid = asyncpg.PostgresError | asyncpg.PostgresWarning
FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.PostgresWarning,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)


# Characters of a request that the database's encoding lacks, where that is not UTF-8
_NOT_IN_THE_ENCODING: Final = (asyncpg.UntranslatableCharacterError, asyncpg.CharacterNotInRepertoireError)


class Again(Exception):
    """The attempt left nothing behind, and the same call may be made once more."""

    def __init__(self, otherwise: Exception) -> None:
        super().__init__()
        self.otherwise = otherwise  # what it comes to if that fails as well


def connecting_failed(error: Exception) -> GatewayError:
    """No connection was to be had."""
    state = getattr(error, "sqlstate", None)
    reason = f"connecting: {_name(error)}"
    return DatabaseBusy(reason=reason) if state == "53300" else DatabaseUnavailable(reason=reason)


def preparing_failed(error: Exception) -> Exception:
    """The call itself has not begun: what fails here is the connection or the way we are set up."""
    if _is_stale(error):
        return Again(InternalError(reason=_name(error)))
    if is_lost(error):
        return Again(DatabaseUnavailable(reason=_name(error)))
    if isinstance(error, _NOT_IN_THE_ENCODING):
        return refused_value(error.sqlstate or "22P05")
    return InternalError(reason=f"preparing the call: {_name(error)}")


def calling_failed(error: Exception) -> Exception:
    """The call has begun, and its transaction is rolled back unless the connection was lost."""
    if _is_stale(error):
        return Again(InternalError(reason=_name(error)))
    if is_lost(error):
        return DatabaseUnavailable(reason=_name(error))
    if not isinstance(error, asyncpg.PostgresError | asyncpg.PostgresWarning):
        return InternalError(reason=_name(error))
    state = error.sqlstate or "XX000"
    if state.startswith("53") and not _is_raised(error):
        return DatabaseBusy(reason=_name(error))
    refused = Refused(_reply(error, state))
    return Again(refused) if state in _WORTH_ANOTHER_TRY else refused


def converting_failed(error: Exception) -> Exception:
    """An argument did not become its parameter's type; no author wrote the error's message for clients."""
    failed = calling_failed(error)
    if isinstance(failed, Refused) and isinstance(error, asyncpg.PostgresError):
        return refused_value(error.sqlstate or "XX000")
    return failed


def is_lost(error: Exception) -> bool:
    """Whether the connection is gone, or its server is going."""
    if not isinstance(error, asyncpg.PostgresError):
        return isinstance(
            error, (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
        ) and not isinstance(error, ValueError)
    state = error.sqlstate or ""
    return (state.startswith("08") or state in _SESSION_LOST) and not _is_raised(error)


def _is_stale(error: Exception) -> bool:
    """Whether a statement prepared on this connection no longer fits the catalogue."""
    return isinstance(error, asyncpg.InvalidCachedStatementError | asyncpg.OutdatedSchemaCacheError)


def _is_raised(error: ServerSaid) -> bool:
    """Whether it comes from RAISE in PL/pgSQL, where the author of the function chose every word."""
    return error.server_source_function == "exec_stmt_raise"


def _reply(error: ServerSaid, state: str) -> Reply:
    if state == "PGRST":
        return _read_raise(error)
    status = _status(state, error.message or "")
    if _is_raised(error) or state.startswith("PT") or state == "P0001":
        message = error.message or ""
        return error_reply(
            status, state, message, details=error.detail, hint=error.hint, headers=_challenge(status)
        )
    return _withheld(status, state)


def refused_value(state: str) -> Refused:
    """The reply that Postgres would cause with this SQLSTATE, for a value that it must not see.

    Its own message quotes the value, in the response and in the server's log.
    """
    return Refused(_withheld(_status(state, ""), state))


def _withheld(status: int, state: str) -> Reply:
    message = _FAILED if status >= _SERVER_ERROR else _REFUSED
    return error_reply(status, state, message, headers=_challenge(status), sqlstate=state)


def _challenge(status: int) -> Headers:
    return [_BEARER] if status == 401 else []  # noqa: PLR2004 (RFC 9110 section 11.6.1 asks for it)


def _status(state: str, message: str) -> int:
    if state.startswith("PT"):
        status = int(state[2:]) if state[2:].isdecimal() else 0
        return status if is_usable_status(status) else _SERVER_ERROR
    for named, pattern, status in _STATUS_BY_TEXT:
        if state == named and pattern.search(message):
            return status
    return _STATUS_BY_STATE.get(state) or _STATUS_BY_CLASS.get(state[:2], _STATUS_OF_THE_REST)


def _read_raise(error: ServerSaid) -> Reply:
    """`raise sqlstate 'PGRST'`: the message holds the body, the detail status and headers, both as JSON."""
    try:
        body, answer = _object(parse(error.message or "")), _object(parse(error.detail or ""))
        headers = checked_headers(
            (name, _text(value)) for name, value in sorted(_object(answer["headers"]).items())
        )
        return error_reply(
            _usable(answer["status"]),
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
    """For the log: what kind of failure, and never its text."""
    state = getattr(error, "sqlstate", None)
    return type(error).__name__ + (f" {state}" if state else "")
