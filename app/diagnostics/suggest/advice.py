"""The settings that fit what was found, each with its reason; notes where no setting can help."""

from collections.abc import Iterable
from typing import Final

from app.catalogue import SHIPPED
from app.diagnostics.suggest.kinds import (
    Kinds,
    classify,
    names_of,
    one_of_each_name,
    renewing_argument,
    renews_by_cookie,
    returns_token,
    token_members,
)
from app.diagnostics.suggest.looking import Found, Routine
from app.diagnostics.suggest.notes import own_auth, services, sessions
from app.diagnostics.suggest.suggestion import Suggestion, note
from app.settings import variable

_DEFAULT_MEMBERS: Final = ("token", "access_token", "accessToken", "jwt")
_DEFAULT_ACCOUNT: Final = "user_"
_USUAL_ROLES: Final = ("anon", "web_anon", "anonymous", "web_anonymous")
_OWN_SCHEMA: Final = "auth"
_FOR_SQL: Final = ("app.settings.jwt_secret", "app.jwt_secret", "pgrst.jwt_secret")  # the gateway sets them
_ACCESS: Final = "access_token"
_REFRESH: Final = "refresh_token"


def suggestions(found: Found) -> list[Suggestion]:
    """All advice for a database, in the order in which the settings are best read."""
    kinds = classify(found.routines)
    if not kinds.sign_in and not kinds.renew:
        return [*_for_no_sign_in(kinds, found), *_pre_request(kinds, found)]
    return [
        *_anonymous_role(kinds, found),
        *_functions(kinds, found),
        *_renewal(kinds),
        *_replies(kinds),
        *_cookies(kinds),
        *_secret(kinds),
        *_pre_request(kinds, found),
        *services(kinds),
        *sessions(kinds, found),
        *own_auth(found),
    ]


def auth_schema(kinds: Kinds) -> str:
    """The schema of the function that signs in, `login` first; else of the one that renews."""
    first = sorted(kinds.sign_in, key=lambda one: "login" not in one.name.lower())
    return (first or kinds.renew)[0].schema


def written(routine: Routine, schema: str) -> str:
    """A function as the settings name it."""
    return routine.name if routine.schema == schema else f"{routine.schema}.{routine.name}"


def _for_no_sign_in(kinds: Kinds, found: Found) -> Iterable[Suggestion]:
    if found.is_migrated:
        yield note("Postgate's own SQL signs users in here: the defaults fit it.")
    else:
        yield note(
            "No function of this database takes a password and makes a token. `postgate migrate` brings "
            "Postgate's own; a login function of yours needs an argument such as `pass` or `password`."
        )
    yield from services(kinds)


def _anonymous_role(kinds: Kinds, found: Found) -> Iterable[Suggestion]:
    role = found.configured.get("db_anon_role", "")
    reason = "PostgREST's login has it as pgrst.db_anon_role."
    if not role:
        granted = {name for one in (*kinds.sign_in, *kinds.renew) for name in one.grantees}
        fitting = [name for name in found.client_roles if name in granted]
        usual = [name for name in (*fitting, *found.client_roles) if name in _USUAL_ROLES]
        role = next(iter([*usual, *(fitting if len(fitting) == 1 else ())]), "")
        reason = (
            "It may call the login function, and PostgREST's login may become it."
            if role in granted
            else "PostgREST's login may become it, and anonymous roles usually have this name."
        )
    if role:
        yield Suggestion(variable("anon_role"), role, reason)
    else:
        yield note(
            f"No anonymous role was found. Set {variable('anon_role')} to the role in "
            "PGRST_DB_ANON_ROLE, and grant it to the gateway's login and to PostgREST's."
        )


def _functions(kinds: Kinds, found: Found) -> Iterable[Suggestion]:
    schema = auth_schema(kinds)
    signing = one_of_each_name(kinds.sign_in)
    yield Suggestion(
        variable("auth_schema"),
        schema,
        f"It has {names_of(signing or kinds.renew)}.",
    )
    listed = one_of_each_name([*kinds.sign_in, *kinds.sign_out, *kinds.renew, *kinds.register])
    why = [
        f"{names_of(of)} {verb}"
        for of, verb in (
            (kinds.sign_in, "takes a password and makes a token"),
            (kinds.sign_out, "signs out"),
            (kinds.renew, "renews"),
            (kinds.register, "takes a password of a new user"),
        )
        if of
    ]
    names = ",".join(written(routine, schema) for routine in listed)
    yield Suggestion(variable("auth_functions"), names, f"{'; '.join(why)}.")
    if schema == _OWN_SCHEMA and not found.is_migrated:
        yield Suggestion(variable("account_functions"), "none", "Postgate's own SQL is not in this database.")
    plain = {routine.name for routine in kinds.sign_in}
    if signing and any(one.name not in plain and one.name not in SHIPPED.public for one in listed):
        names = ",".join(written(routine, schema) for routine in signing)
        reason = "Only these check a password, so only their failures count as failed sign-ins."
        yield Suggestion(variable("password_functions"), names, reason)
    argument = next((one.arguments[0] for one in signing if one.arguments), "")
    if argument and argument != _DEFAULT_ACCOUNT:
        reason = "The first argument of the login function names the account, for the limits of one account."
        yield Suggestion(variable("account_argument"), argument, reason)


def _renewal(kinds: Kinds) -> Iterable[Suggestion]:
    if not kinds.renew:
        yield Suggestion(
            variable("renewal"), "false", "No function renews a session: users sign in when a token expires."
        )
        return
    best = min(kinds.renew, key=lambda one: not renews_by_cookie(one))
    name = written(best, auth_schema(kinds))
    if renews_by_cookie(best):
        yield Suggestion(
            variable("refresh_function"), name, f"{best.sql} reads the refresh cookie and makes a new token."
        )
        return
    argument = renewing_argument(best)
    yield Suggestion(
        variable("refresh_function"), name, f"{best.sql} takes a refresh token and makes a new access token."
    )
    yield Suggestion(
        variable("refresh_argument"), argument, "The gateway passes the refresh cookie in this argument."
    )


def _replies(kinds: Kinds) -> Iterable[Suggestion]:
    """For functions that return the token instead of setting a cookie."""
    returning = [
        one for one in (*kinds.sign_in, *kinds.renew) if not kinds.cookies(one) and returns_token(one)
    ]
    if not returning:
        return
    members = list(dict.fromkeys(name for one in returning for name in token_members(one)))
    if members:
        reason = f"The reply of {names_of(returning)} has the token under this name."
        yield Suggestion(variable("token_members"), ",".join(members), reason)
    yield Suggestion(
        variable("token_body"),
        "auto",
        "The token becomes an HttpOnly cookie; browsers get the reply without it, other clients with it.",
    )


def _cookies(kinds: Kinds) -> Iterable[Suggestion]:
    names = dict.fromkeys(
        cookie.name for one in (*kinds.sign_in, *kinds.renew) for cookie in kinds.cookies(one)
    )
    refresh = [name for name in names if "refresh" in name.lower()]
    access = [name for name in names if name not in refresh]
    for known, field, default in ((access, "access_cookie", _ACCESS), (refresh, "refresh_cookie", _REFRESH)):
        if len(known) == 1 and known[0] != default:
            yield Suggestion(variable(field), known[0], "The functions write this cookie.")


def _secret(kinds: Kinds) -> Iterable[Suggestion]:
    making = [*kinds.sign_in, *kinds.renew]
    for routine in making:
        names = kinds.secrets(routine)
        if not names:
            yield note(
                f"{routine.sql} reads no setting with a secret: it is probably written in the source, or in "
                f"a table. Let it read current_setting('{_FOR_SQL[1]}'), which the gateway sets."
            )
        elif not set(names) & set(_FOR_SQL):
            yield note(
                f"{routine.sql} reads {', '.join(names)}, which the gateway does not set. Let it read "
                f"current_setting('{_FOR_SQL[1]}')."
            )
        else:
            own = next(name for name in names if name in _FOR_SQL)
            yield note(f"{routine.sql} signs with {own}, which the gateway sets in each call.")
    if any(kinds.decodes_base64(routine) for routine in making):
        reason = "The functions decode the secret from base64, so PostgREST and the gateway must do so too."
        yield Suggestion(variable("jwt_secret_is_base64"), "true", reason)
    elif any(kinds.secrets(routine) != [_FOR_SQL[0]] for routine in making):
        reason = "The functions sign with the text of the secret as it is."
        yield Suggestion(variable("jwt_secret_is_base64"), "false", reason)


def _pre_request(kinds: Kinds, found: Found) -> Iterable[Suggestion]:
    configured = found.configured.get("db_pre_request", "")
    if configured:
        reason = "PostgREST's login has it as pgrst.db_pre_request: it must run for auth functions too."
        yield Suggestion(variable("pre_request"), configured, reason)
    elif len(kinds.pre_request) == 1:
        routine = kinds.pre_request[0]
        reason = "It is named like a pre-request. Keep this line only if PGRST_DB_PRE_REQUEST names it."
        yield Suggestion(variable("pre_request"), f"{routine.schema}.{routine.name}", reason)
