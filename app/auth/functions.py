"""Call an auth function the way PostgREST would: one transaction, its settings, its answer.

Callers hand in a request and get a reply. What a client or a function does wrong is a reply too; only
a database that cannot be used raises. The pool belongs to the caller.
"""

from asyncio import timeout
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.auth.arguments import Arguments, read_arguments
from app.auth.calls import FunctionCall
from app.auth.context import transaction_settings
from app.auth.failures import Again
from app.auth.negotiation import Media, negotiate, wants_count
from app.auth.overloads import choose
from app.auth.queries import Connection, fetch_row
from app.auth.replies import Outcome, Refused, Reply, error_reply, success
from app.auth.signatures import FINGERPRINT, Routine, Shape, Signature, read_routine
from app.auth.statements import call_parameters, call_statement, check_statement
from app.auth.transactions import (
    READ_COMMITTED,
    Pool,
    calling,
    converting,
    lent,
    preparing,
    reset_session,
    transaction,
)
from app.errors import DatabaseBusy, DatabaseUnavailable, InternalError

__all__ = ["AuthFunctions", "FunctionCall", "Reply", "reset_session"]

_NAMING: Final = ("3F", "42")  # classes of SQLSTATE: a name that means nothing, or not what it did

# set_config in the order of the arrays, and the fingerprint of what is known to the transaction
_SET: Final = """
select {fingerprint} as fingerprint,
  pg_catalog.count(pg_catalog.set_config(setting.name, setting.value, true)) as settings
from rows from (
  pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])
) as setting (name, value)
""".format(fingerprint=FINGERPRINT.format(schema="$3", function="$4", role="$5"))


@dataclass(frozen=True, slots=True)
class _Plan:
    """Everything that is decided about a call before its transaction begins."""

    routine: Routine
    signature: Signature
    media: Media
    statement: str
    parameters: tuple[str | bytes, ...]
    check: str | None  # a statement that gives the arguments their types, and nothing else

    @property
    def checked(self) -> str:
        """The document that the check converts."""
        if self.check is None:
            return ""
        return next((document for document in self.parameters if isinstance(document, str)), "")


class AuthFunctions:
    """The auth functions of one schema, called as the anonymous role."""

    def __init__(
        self,
        pool: Pool,
        *,
        schema: str,
        anon_role: str,
        settings: Mapping[str, str],
        extra_search_path: Sequence[str] = ("public",),
        acquire_seconds: float = 5,
        call_seconds: float = 30,
    ) -> None:
        """`settings` are names and values for set_config, handed to every call's transaction alone."""
        self._pool = pool
        self._schema = schema
        self._schemas = (schema, *extra_search_path)
        self._role = anon_role
        self._settings = dict(settings)
        self._acquire_seconds = acquire_seconds
        self._call_seconds = call_seconds
        self._routines: dict[str, Routine] = {}

    def adopt(self, settings: Mapping[str, str]) -> None:
        """Hand these settings to the transactions to come."""
        self._settings = dict(settings)

    async def call(self, call: FunctionCall) -> Reply:
        """The reply of the function, or of whatever is wrong with the request.

        Raises DatabaseUnavailable, DatabaseBusy, or InternalError if the gateway's own settings are refused.
        """
        try:
            arguments = read_arguments(call)
            try:
                return await self._attempt(call, arguments)
            except Again:
                return await self._last_attempt(call, arguments)
        except Refused as refused:
            if (refused.reply.sqlstate or "").startswith(_NAMING):
                # Perhaps a type or a schema was renamed: the next call looks again
                self._routines.pop(call.name, None)
            return refused.reply

    async def _last_attempt(self, call: FunctionCall, arguments: Arguments) -> Reply:
        try:
            return await self._attempt(call, arguments)
        except Again as again:
            raise again.otherwise from None

    async def _attempt(self, call: FunctionCall, arguments: Arguments) -> Reply:
        async with lent(self._pool, seconds=self._acquire_seconds) as connection:
            try:
                async with timeout(self._call_seconds):
                    return await self._carry_out(connection, call, arguments)
            except TimeoutError:
                raise DatabaseBusy(reason="the call took too long") from None
            except Again as again:
                if isinstance(again.otherwise, DatabaseUnavailable):
                    # What ended this connection has likely ended the idle ones: none is lent again
                    await self._pool.expire_connections()
                raise

    async def _carry_out(self, connection: Connection, call: FunctionCall, arguments: Arguments) -> Reply:
        plan = await self._plan(connection, call, arguments)
        isolation = plan.signature.isolation or plan.routine.role_isolation or READ_COMMITTED
        async with transaction(connection, isolation=isolation, read_only=plan.signature.is_read_only):
            await self._prepare(connection, call, plan)
            if plan.check is not None:
                await converting(connection.execute(plan.check))
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
        known = self._routines.get(call.name)
        try:
            return self._plan_with(known or await self._read(connection, call), call, arguments)
        except Refused:
            if known is None:
                raise
        return self._plan_with(await self._read(connection, call), call, arguments)

    def _plan_with(self, routine: Routine, call: FunctionCall, arguments: Arguments) -> _Plan:
        signature = choose(routine.signatures, arguments, function=f"{self._schema}.{call.name}")
        media = negotiate(call)
        return _Plan(
            routine,
            signature,
            media,
            call_statement(self._schema, call.name, signature, arguments, media),
            call_parameters(signature, arguments),
            check_statement(signature, arguments) if routine.checkable else None,
        )

    async def _read(self, connection: Connection, call: FunctionCall) -> Routine:
        async with transaction(connection, isolation=READ_COMMITTED, read_only=True):
            routine = await preparing(
                read_routine(connection, schema=self._schema, function=call.name, role=self._role)
            )
        self._routines.pop(call.name, None)
        if routine.signatures:
            self._routines[call.name] = routine
        return routine

    async def _prepare(self, connection: Connection, call: FunctionCall, plan: _Plan) -> None:
        """Set everything the function may read, and see that it is still the function we know."""
        settings = transaction_settings(
            call,
            plan.routine,
            plan.signature,
            schemas=self._schemas,
            role=self._role,
            settings=self._settings,
            document=plan.checked,
        )
        names, values = zip(*settings, strict=True)
        known = (self._schema, call.name, self._role)
        found = await preparing(fetch_row(connection, _SET, names, values, *known))
        if found["fingerprint"] != plan.routine.fingerprint:
            self._routines.pop(call.name, None)
            raise Again(InternalError(reason="the function changes from call to call"))


def _check_single(media: Media, rows: int) -> None:
    if media is Media.OBJECT and rows != 1:
        message = "JSON object requested, multiple (or no) rows returned"
        raise Refused(error_reply(406, "PGRST116", message, details=f"The result contains {rows} rows"))
