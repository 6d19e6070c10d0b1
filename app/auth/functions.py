"""Call an auth function as PostgREST does: one transaction, its settings, its response.

Errors of the client and of the function are replies. Only an unusable database raises. The caller opens and
closes the pool.
"""

from asyncio import timeout
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.auth.arguments import Arguments, read_arguments
from app.auth.calls import FunctionCall
from app.auth.context import quote_function, transaction_settings
from app.auth.failures import Retryable
from app.auth.negotiation import Media, negotiate, wants_count
from app.auth.overloads import choose
from app.auth.queries import Connection, fetch_row
from app.auth.replies import Outcome, Rejected, Reply, error_reply, success
from app.auth.signatures import FINGERPRINT, Routine, Shape, Signature, read_routine
from app.auth.statements import call_parameters, call_statement, check_statement
from app.auth.transactions import (
    READ_COMMITTED,
    Pool,
    acquired,
    calling,
    converting,
    preparing,
    reset_session,
    transaction,
)
from app.errors import DatabaseBusy, DatabaseUnavailable, InternalError

__all__ = ["AuthFunctions", "FunctionCall", "Reply", "reset_session"]

_NAMING: Final = ("3F", "42")  # classes of SQLSTATE: an unknown schema, a name that does not resolve

# set_config in the order of the arrays, and the fingerprint that this transaction sees
_SET: Final = """
select {fingerprint} as fingerprint,
  pg_catalog.count(pg_catalog.set_config(setting.name, setting.value, true)) as settings
from rows from (
  pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])
) as setting (name, value)
""".format(fingerprint=FINGERPRINT.format(schema="$3", function="$4", role="$5"))


@dataclass(frozen=True, slots=True)
class _Plan:
    """A call, planned before its transaction begins."""

    routine: Routine
    signature: Signature
    media: Media
    statement: str
    parameters: tuple[str | bytes, ...]
    check: str | None  # a statement that only converts the arguments; None: no conversion can fail

    @property
    def checked(self) -> str:
        """The document that the check converts."""
        if self.check is None:
            return ""
        return next((document for document in self.parameters if isinstance(document, str)), "")


class AuthFunctions:
    """Auth functions, called as the anonymous role: of the auth schema, or of the one that a call names."""

    def __init__(
        self,
        pool: Pool,
        *,
        schema: str,
        anon_role: str,
        settings: Mapping[str, str],
        finish: Callable[[Reply], Reply] = lambda reply: reply,
        pre_request: str = "",
        extra_search_path: Sequence[str] = ("public",),
        acquire_seconds: float = 5,
        call_seconds: float = 30,
    ) -> None:
        """`settings` are names and values for set_config, in each call's transaction only.

        `finish` changes the reply of a function before the caller gets it. `pre_request`, with its schema or
        empty, is the function to call before each of them in the same transaction.
        """
        self._pool = pool
        self._schema = schema
        self._extra_search_path = extra_search_path
        self._role = anon_role
        self._settings = dict(settings)
        self._finish = finish
        self._acquire_seconds = acquire_seconds
        self._call_seconds = call_seconds
        self._pre_request = f"select {quote_function(pre_request)}()" if pre_request else ""
        self._routines: dict[tuple[str, str], Routine] = {}

    def adopt(self, settings: Mapping[str, str], finish: Callable[[Reply], Reply]) -> None:
        """Use these settings in later transactions, and change replies so."""
        self._settings = dict(settings)
        self._finish = finish

    async def call(self, call: FunctionCall) -> Reply:
        """The reply of the function, or PostgREST's error for the request.

        Raises DatabaseUnavailable, DatabaseBusy, or InternalError if the database rejects the gateway's
        settings.
        """
        return self._finish(await self._call(call))

    async def _call(self, call: FunctionCall) -> Reply:
        try:
            arguments = read_arguments(call)
            try:
                return await self._attempt(call, arguments)
            except Retryable:
                return await self._last_attempt(call, arguments)
        except Rejected as rejected:
            if (rejected.reply.sqlstate or "").startswith(_NAMING):
                # A type or a schema may have been renamed: the next call reads the catalogue again
                self._routines.pop(self._qualified(call), None)
            return rejected.reply

    def _qualified(self, call: FunctionCall) -> tuple[str, str]:
        """The function's schema and name."""
        return call.schema or self._schema, call.name

    async def _last_attempt(self, call: FunctionCall, arguments: Arguments) -> Reply:
        try:
            return await self._attempt(call, arguments)
        except Retryable as retryable:
            raise retryable.failure from None

    async def _attempt(self, call: FunctionCall, arguments: Arguments) -> Reply:
        async with acquired(self._pool, seconds=self._acquire_seconds) as connection:
            try:
                async with timeout(self._call_seconds):
                    return await self._carry_out(connection, call, arguments)
            except TimeoutError:
                raise DatabaseBusy(reason="the call took too long") from None
            except Retryable as retryable:
                if isinstance(retryable.failure, DatabaseUnavailable):
                    # The idle connections are probably lost too: none is acquired again
                    await self._pool.expire_connections()
                raise

    async def _carry_out(self, connection: Connection, call: FunctionCall, arguments: Arguments) -> Reply:
        plan = await self._plan(connection, call, arguments)
        isolation = plan.signature.isolation or plan.routine.role_isolation or READ_COMMITTED
        async with transaction(connection, isolation=isolation, read_only=plan.signature.is_read_only):
            await self._prepare(connection, call, plan)
            if plan.check is not None:
                await converting(connection.execute(plan.check))
            if self._pre_request:  # after the check, which has cleared the arguments from the settings
                await calling(connection, connection.execute(self._pre_request))
            record = await calling(connection, fetch_row(connection, plan.statement, *plan.parameters))
            _check_single(plan.media, record["rows"])
        return success(
            Outcome(
                body=None if plan.signature.shape is Shape.VOID else record["body"],
                rows=record["rows"],
                content_type=plan.media.value,
                counted=wants_count(call),
                headers=record["headers"],
                status=record["status"],
            )
        )

    async def _plan(self, connection: Connection, call: FunctionCall, arguments: Arguments) -> _Plan:
        cached = self._routines.get(self._qualified(call))
        try:
            return self._plan_with(cached or await self._read(connection, call), call, arguments)
        except Rejected:
            if cached is None:
                raise
        return self._plan_with(await self._read(connection, call), call, arguments)

    def _plan_with(self, routine: Routine, call: FunctionCall, arguments: Arguments) -> _Plan:
        schema, name = self._qualified(call)
        signature = choose(routine.signatures, arguments, function=f"{schema}.{name}")
        media = negotiate(call)
        statement = call_statement(schema, name, signature, arguments, media)
        parameters = call_parameters(signature, arguments)
        check = check_statement(signature, arguments, parameters) if routine.checkable else None
        return _Plan(routine, signature, media, statement, parameters, check)

    async def _read(self, connection: Connection, call: FunctionCall) -> Routine:
        schema, name = qualified = self._qualified(call)
        async with transaction(connection, isolation=READ_COMMITTED, read_only=True):
            routine = await preparing(read_routine(connection, schema=schema, function=name, role=self._role))
        self._routines.pop(qualified, None)
        if routine.signatures:
            self._routines[qualified] = routine
        return routine

    async def _prepare(self, connection: Connection, call: FunctionCall, plan: _Plan) -> None:
        """Apply the settings, and check that the catalogue still matches the plan."""
        schema, name = qualified = self._qualified(call)
        settings = transaction_settings(
            call,
            plan.routine,
            plan.signature,
            schemas=(schema, *self._extra_search_path),
            role=self._role,
            settings=self._settings,
            document=plan.checked,
        )
        names, values = zip(*settings, strict=True)
        row = await preparing(fetch_row(connection, _SET, names, values, schema, name, self._role))
        if row["fingerprint"] != plan.routine.fingerprint:
            self._routines.pop(qualified, None)
            raise Retryable(InternalError(reason="the function changes from call to call"))


def _check_single(media: Media, rows: int) -> None:
    if media is Media.OBJECT and rows != 1:
        message = "JSON object requested, multiple (or no) rows returned"
        raise Rejected(error_reply(406, "PGRST116", message, details=f"The result contains {rows} rows"))
