"""What each kind of failure comes to, for failures that are hard to provoke."""

import json
from typing import Any

import asyncpg
import pytest

from app.auth.failures import Retryable, calling_failed, connecting_failed, preparing_failed
from app.auth.replies import Rejected
from app.errors import DatabaseBusy, DatabaseUnavailable, InternalError

from .calling import told

VALUE = "hunter2"


def _error(state: str, *, function: str = "somewhere") -> Any:
    fields = {"S": "ERROR", "C": state, "M": f"said {VALUE}", "D": VALUE, "H": VALUE, "R": function}
    return asyncpg.PostgresError.new(fields)


STALE = _error("0A000", function="RevalidateCachedQuery")
UNENCODABLE = type("DataError", (asyncpg.InterfaceError, ValueError), {})(VALUE)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_error("53300"), DatabaseBusy),
        (_error("28P01"), DatabaseUnavailable),
        (_error("3D000"), DatabaseUnavailable),
        (_error("57P03"), DatabaseUnavailable),
        (ConnectionRefusedError(VALUE), DatabaseUnavailable),
        (asyncpg.InterfaceError(VALUE), DatabaseUnavailable),
    ],
    ids=repr,
)
def test_connecting(error: Exception, expected: type[Exception]) -> None:
    failed = connecting_failed(error)

    assert type(failed) is expected
    assert VALUE not in failed.reason


@pytest.mark.parametrize(
    ("error", "expected", "failure"),
    [
        (_error("08006"), Retryable, DatabaseUnavailable),
        (_error("57P01"), Retryable, DatabaseUnavailable),
        (ConnectionResetError(VALUE), Retryable, DatabaseUnavailable),
        (asyncpg.InterfaceError(VALUE), Retryable, DatabaseUnavailable),
        (STALE, Retryable, InternalError),
        (asyncpg.OutdatedSchemaCacheError(VALUE), Retryable, InternalError),
        (_error("42501"), InternalError, None),
        (_error("22023"), InternalError, None),
        (UNENCODABLE, InternalError, None),
    ],
    ids=repr,
)
def test_preparing(error: Exception, expected: type[Exception], failure: type[Exception] | None) -> None:
    failed = preparing_failed(error)

    assert type(failed) is expected
    _check_failure(failed, failure)


@pytest.mark.parametrize(
    ("error", "expected", "failure"),
    [
        (_error("08006"), DatabaseUnavailable, None),
        (_error("57P01"), DatabaseUnavailable, None),
        (ConnectionResetError(VALUE), DatabaseUnavailable, None),
        (asyncpg.InterfaceError(VALUE), DatabaseUnavailable, None),
        (_error("53100"), DatabaseBusy, None),
        (STALE, Retryable, InternalError),
        (_error("40001"), Retryable, Rejected),
        (_error("40P01"), Retryable, Rejected),
        (UNENCODABLE, InternalError, None),
        (_error("08006", function="exec_stmt_raise"), Rejected, None),
        (_error("53100", function="exec_stmt_raise"), Rejected, None),
    ],
    ids=repr,
)
def test_calling(error: Exception, expected: type[Exception], failure: type[Exception] | None) -> None:
    failed = calling_failed(error)

    assert type(failed) is expected
    _check_failure(failed, failure)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        *(("0A000", 400), ("22012", 400), ("22P02", 400), ("42501", 401), ("42883", 404), ("42P17", 500)),
        *(("XX000", 500), ("XX001", 500), ("54001", 500), ("57014", 500), ("P0004", 500), ("58P01", 500)),
    ],
)
def test_what_the_server_said_is_not_in_the_reply(state: str, status: int) -> None:
    failed = calling_failed(_error(state))

    assert isinstance(failed, Rejected)
    assert told(failed.reply) == (status, state)
    assert failed.reply.sqlstate == state
    assert VALUE.encode() not in failed.reply.body


def test_how_long_the_reply_is_is_not_for_an_author_to_say() -> None:
    headers = {"Transfer-Encoding": "chunked", "content-length": "5", "Connection": "close", "X-A": "b"}
    raised = asyncpg.PostgresError.new(
        {
            "C": "PGRST",
            "M": '{"code":"X","message":"m"}',
            "D": json.dumps({"status": 418, "headers": headers}),
        }
    )
    failed = calling_failed(raised)

    assert isinstance(failed, Rejected)
    assert told(failed.reply) == (418, "X")
    assert {name.lower() for name, _ in failed.reply.headers} == {b"content-type", b"x-a"}


def _check_failure(failed: Exception, failure: type[Exception] | None) -> None:
    if isinstance(failed, Retryable):
        assert failure is not None
        assert type(failed.failure) is failure
    if not isinstance(failed, Rejected):
        assert VALUE not in str(failed)
        assert VALUE not in str(getattr(failed, "failure", ""))
