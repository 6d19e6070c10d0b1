"""The auth functions in the database: whether clients may call them, and whether one can renew a session."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.catalogue import SHIPPED, plain_name
from app.database import Connection, rolled_back
from app.diagnostics.check.findings import Finding, problem, sql_name, warning
from app.settings import Settings, variable

# A new function gets the default privileges of its owner. If these have no entry, `public` may execute it, so
# a function whose own list lacks `public` has been revoked
_LOOK: Final = """
select p.proname::pg_catalog.text as name,
       p.oid::pg_catalog.regprocedure::pg_catalog.text as sql,
       pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text as owner,
       coalesce(pg_catalog.has_function_privilege(anon.oid, p.oid, 'execute'), false) as may_execute,
       case
         when p.pronargs = 1
              and p.proargnames is null
              and p.proargtypes[0] in (
                'pg_catalog.json'::pg_catalog.regtype, 'pg_catalog.jsonb'::pg_catalog.regtype
              )
         then 0 -- the whole body, which may be empty
         else p.pronargs - p.pronargdefaults
       end as required,
       p.provolatile = 'v' as is_volatile,
       p.prorettype = 'pg_catalog.void'::pg_catalog.regtype as is_void,
       p.prosrc ~* 'response\\.headers|set-cookie' as sets_headers,
       array(
         select g.rolname::pg_catalog.text
           from pg_catalog.aclexplode(p.proacl) as a
           join pg_catalog.pg_roles as g on g.oid = a.grantee
          where a.grantee <> p.proowner and a.privilege_type = 'EXECUTE'
          order by 1
       ) as grantees,
       not exists (
         select from pg_catalog.pg_default_acl as d
          where d.defaclrole = p.proowner
            and d.defaclobjtype = 'f'
            and d.defaclnamespace = 0
            and not exists (
              select from pg_catalog.aclexplode(d.defaclacl) as a where a.grantee = 0
            )
       ) as is_public_by_default
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as auth on auth.oid = p.pronamespace
  left join pg_catalog.pg_roles as anon on anon.rolname = $1
 where auth.nspname = $2 and p.proname = any ($3::pg_catalog.name[]) and p.prokind = 'f'
 order by 1, 2
"""
_OURS: Final = ("auth", "auth_owner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Routine:
    """One function of the auth schema that the settings list. A name may have several (overloads)."""

    name: str
    sql: str  # with its schema and the types of its arguments
    owner: str
    may_execute: bool  # the anonymous role
    required: int  # arguments without a default
    is_volatile: bool
    is_void: bool
    sets_headers: bool  # its source does
    grantees: Sequence[str]  # roles besides its owner and `public`
    is_public_by_default: bool  # `public` may execute new functions of its owner


async def look(connection: Connection, settings: Settings) -> dict[str, list[Routine]]:
    """The existing functions, by name."""
    found: dict[str, list[Routine]] = {}
    async with rolled_back(connection):
        rows = await connection.fetch(
            _LOOK,
            settings.anon_role,
            settings.auth_schema,
            sorted(settings.in_auth_schema({*settings.auth_functions, settings.refresh_function})),
        )
    for row in rows:
        found.setdefault(row["name"], []).append(Routine(**row))
    return found


def judge(functions: Mapping[str, Sequence[Routine]], settings: Settings) -> list[Finding]:
    return [
        *(
            _judge_grant(own, settings)
            for name, own in functions.items()
            if name in settings.in_auth_schema(settings.auth_functions)
            and not any(routine.may_execute for routine in own)
        ),
        *_judge_renewal(functions, settings),
    ]


def _judge_grant(own: Sequence[Routine], settings: Settings) -> Finding:
    """Proposes a grant for Postgate's own functions only: others may sign in any user without proof."""
    role, name = sql_name(settings.anon_role), f"{sql_name(settings.auth_schema)}.{sql_name(own[0].name)}"
    text = f"The role {role} may not execute {name}."
    if all(_is_ours(routine, settings) for routine in own):
        grants = (f"grant execute on function {routine.sql} to {role};" for routine in own)
        return problem(text, "\n".join(grants))
    grantees = sorted({name for routine in own for name in routine.grantees})
    if grantees or any(routine.is_public_by_default for routine in own):
        restriction = (
            f"only {', '.join(map(sql_name, grantees))} may" if grantees else "the right was revoked"
        )
        return problem(
            f"{text} Its owner has restricted it: {restriction}.",
            f"Remove it from {variable('auth_functions')} if services call it: their calls are relayed to "
            "PostgREST with the caller's token. If clients without a session should call it, make sure that "
            "it checks a password or another proof, and let its author grant it.",
        )
    return problem(
        f"{text} No role has this grant.",
        "If clients without a session should call it, make sure that it checks a password or another proof, "
        f"and grant execute on it to {role}. If services call it, remove it from "
        f"{variable('auth_functions')}.",
    )


def _is_ours(routine: Routine, settings: Settings) -> bool:
    return (settings.auth_schema, routine.owner) == _OURS and routine.name in SHIPPED.public


def _judge_renewal(functions: Mapping[str, Sequence[Routine]], settings: Settings) -> Iterable[Finding]:
    name = plain_name(settings.refresh_function)
    if not settings.in_auth_schema([settings.refresh_function]):
        return
    own = functions.get(name, ())
    is_listed = name in settings.in_auth_schema(
        settings.auth_functions
    )  # a missing function of this list is a problem already
    if not settings.renewal or (is_listed and not own):
        return
    if reason := _why_it_cannot_renew(own, settings, is_listed=is_listed):
        yield warning(
            f"Sessions cannot be renewed: {sql_name(settings.auth_schema)}.{sql_name(name)} {reason}.",
            f"Set {variable('renewal')}=false, or name in {variable('refresh_function')} a function that "
            "reads the refresh cookie from request.cookies, or takes it as the argument of "
            f"{variable('refresh_argument')}, and sets new cookies or returns a new token.",
        )


def _why_it_cannot_renew(own: Sequence[Routine], settings: Settings, *, is_listed: bool) -> str:
    taken = 0 if settings.refresh_argument is None else 1
    fitting = [routine for routine in own if routine.required == taken]
    if len(fitting) == 1:
        return _why_one_cannot_renew(fitting[0], settings, is_listed=is_listed)
    if fitting:
        return f"exists more than once with these arguments ({', '.join(routine.sql for routine in fitting)})"
    passed = "none" if settings.refresh_argument is None else settings.refresh_argument
    return f"takes other arguments ({own[0].sql}): the gateway passes {passed}" if own else "is missing"


def _why_one_cannot_renew(routine: Routine, settings: Settings, *, is_listed: bool) -> str:
    if not routine.may_execute and not is_listed:
        return f"may not be executed by the role {sql_name(settings.anon_role)}"
    if not routine.is_volatile:
        return "is not volatile: it runs in a read-only transaction"
    return ""
