"""The parts that call the functions in Postgres, and those that learn from its notifications."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from app.auth.functions import AuthFunctions
from app.auth.limits.guard import GuardedFunctions, RenewalAttempts
from app.auth.listener import RevocationListener
from app.auth.mail.delivery import CHANNEL, MailDelivery
from app.auth.renewal import Renewals
from app.auth.sign_outs import SignOuts
from app.auth.token_sign_ins import TokenSignIns
from app.catalogue import Catalogue, Entry
from app.core.session.revocations import Revocations
from app.core.tokens.admissions import Admissions
from app.core.tokens.verify import TokenVerifier
from app.events import Observer
from app.settings import Settings
from app.wiring.admission import cookie_names, rpc_prefixes
from app.wiring.functions import adopting_functions, auth_functions, token_sign_ins
from app.wiring.limits import guarded, renewal_attempts
from app.wiring.mail import mail_delivery
from app.wiring.pools import database_pool
from app.wiring.revocations import revocation_listener


@dataclass(frozen=True, slots=True)
class DatabaseParts:
    """The parts of a gateway that use Postgres."""

    listed: Mapping[str, Entry]
    prefixes: Sequence[str]  # of their paths
    database: "asyncpg.Pool[asyncpg.Record]"
    functions: AuthFunctions
    adopting: AuthFunctions
    sign_ins: TokenSignIns
    sign_outs: SignOuts
    guard: GuardedFunctions
    attempts: RenewalAttempts
    renewals: Renewals
    listener: RevocationListener
    delivery: MailDelivery | None  # None: the gateway sends no mails


def database_parts(  # noqa: PLR0917
    settings: Settings,
    catalogue: Catalogue,
    listed: Mapping[str, Entry],
    verifier: TokenVerifier,
    sql_secret: str,
    revocations: Revocations,
    admissions: Admissions | None,
    emit: Observer,
) -> DatabaseParts:
    """Build them; nothing connects yet. `verifier` checks the tokens that functions return."""
    database = database_pool(settings)
    functions = auth_functions(settings, database, verifier, sql_secret)
    adopting = adopting_functions(settings, database, verifier, sql_secret)
    sign_ins = token_sign_ins(settings, listed, verifier, functions, adopting)
    attempts = renewal_attempts(settings)
    delivery = mail_delivery(settings, database, emit)
    wakes = {} if delivery is None else {CHANNEL: delivery.wake}
    return DatabaseParts(
        listed=listed,
        prefixes=rpc_prefixes(settings),
        database=database,
        functions=functions,
        adopting=adopting,
        sign_ins=sign_ins,
        sign_outs=SignOuts(database),
        guard=guarded(settings, sign_ins.call, database, catalogue, emit),
        attempts=attempts,
        renewals=Renewals(
            sign_ins.call,
            settings.refresh_function,
            settings.refresh_argument or "",
            cookie_names(settings).plain,
            attempts,
            time.monotonic,
            emit,
        ),
        listener=revocation_listener(settings, revocations, emit, wakes, admissions),
        delivery=delivery,
    )
