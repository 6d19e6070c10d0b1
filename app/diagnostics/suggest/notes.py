"""Advice that is no setting: functions for services, sessions of the project's logins, its schema `auth`."""

from collections.abc import Iterable

from app.diagnostics.suggest.kinds import Kinds, names_of
from app.diagnostics.suggest.looking import Found
from app.diagnostics.suggest.suggestion import Suggestion, note
from app.settings import variable


def services(kinds: Kinds) -> Iterable[Suggestion]:
    for routine in kinds.service:
        yield note(
            f"{routine.sql} makes tokens and checks no password. It is for services, so it is in no list: "
            "their calls are relayed to PostgREST with their own token. Clients must not have the right to "
            "execute it."
        )


def sessions(kinds: Kinds, found: Found) -> Iterable[Suggestion]:
    if found.may_adopt is False and kinds.sign_in:
        yield note(
            f"Postgate's SQL is in this database too. It can give sign-ins by {names_of(kinds.sign_in)} a "
            "session that is renewed, listed and revoked at once; the gateway may not call auth.adopt yet.",
            "grant execute on function auth.adopt(json) to gateway;",
        )
    elif found.may_adopt is None and kinds.renew and not kinds.sign_out:
        yield note(
            f"No function signs out: the refresh tokens of {names_of(kinds.renew)} stay valid after "
            "POST /rpc/logout, which revokes the access token alone.",
            "Add a function `logout` that deletes the refresh token of the request, and list it in "
            f"{variable('auth_functions')}.",
        )


def own_auth(found: Found) -> Iterable[Suggestion]:
    if found.has_own_auth and not found.is_migrated:
        yield note(
            "The schema `auth` is this project's own. The gateway needs no `postgate migrate` for these "
            "functions; `postgate migrate --check` names what Postgate's SQL would collide with."
        )
