"""Rights of the roles of clients and the two logins beyond the grants on objects."""

from collections.abc import Iterable, Sequence
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.logins import Login, Part
from app.diagnostics.doctor.roles import MEMBERSHIPS_OF_THEIR_OWN, Membership, Role, Roles
from app.diagnostics.doctor.scope import Scope

POWERFUL: Final = Rule(
    "PD501",
    Severity.DANGER,
    "A role of clients, or PostgREST's login, has a power that no grant or policy limits.",
    "A superuser bypasses every check, a role with bypassrls every policy, and a role with createrole can "
    "create a more powerful role.",
    "Remove the attribute; work that needs it belongs to a role that no token can name.",
)
SERVER_ROLE: Final = Rule(
    "PD502",
    Severity.DANGER,
    "A role of clients, PostgREST's login or the gateway's is a member of one of the server's own roles.",
    "The pg_* roles read every table, write files or run programs, whatever is granted on the tables.",
    "Revoke the membership.",
)
OWNER_IN_REACH: Final = Rule(
    "PD503",
    Severity.DANGER,
    "PostgREST can become an owner, a superuser or the gateway's login.",
    "A token that names this role gets its rights. Owners can read password hashes and replace the "
    "functions that sign tokens.",
    "Revoke the membership: a token can name every role that PostgREST may become.",
)
GATEWAY_HAS_MORE: Final = Rule(
    "PD504",
    Severity.WARNING,
    "The gateway's login may do more than become the anonymous role.",
    "It calls auth functions as the anonymous role and needs nothing else. An attacker who controls the "
    "gateway gets every further right.",
    "Revoke it.",
)
GATEWAY_OWNS: Final = Rule(
    "PD505",
    Severity.DANGER,
    "The gateway's login is a superuser or an owner.",
    "An attacker who controls the gateway can read every password hash and change every function, instead "
    "of calling what any client may call.",
    "Let the gateway log in as `gateway`, which `postgate migrate` creates, and use the owner's login for "
    "POSTGATE_OWNER_DATABASE_URL only.",
)
INHERITS: Final = Rule(
    "PD506",
    Severity.WARNING,
    "A login inherits the rights of the roles that it may become.",
    "A statement that runs before the role is set, or without one, runs with the rights of all users at "
    "once.",
    "Make the login noinherit; from PostgreSQL 16 on, each membership has this option.",
)


_ANOTHER_LOGIN: Final = (
    "Use another role: this one is the cluster's first and always a superuser. PostgREST should log in as "
    "`authenticator`, which owns nothing."
)


def judge(scope: Scope, roles: Roles, logins: Sequence[Login]) -> list[Finding]:
    return [
        *_judge_powers(scope, roles),
        *_judge_server_roles(scope, roles),
        *_judge_owners(scope, roles),
        *_judge_gateway(scope, roles, logins),
        *_judge_inheritance(scope, roles),
    ]


def _judge_powers(scope: Scope, roles: Roles) -> Iterable[Finding]:
    for name in sorted({*scope.clients, scope.postgrest}):
        role = roles.roles.get(name)
        if role is not None and role.powers and name != scope.gateway:
            fix = _ANOTHER_LOGIN if role.is_first else ""
            yield POWERFUL.broken(_role(name), detail=_powers(role), sql=_without_powers(role), fix=fix)


def _judge_server_roles(scope: Scope, roles: Roles) -> Iterable[Finding]:
    members = {*scope.clients, scope.postgrest, scope.gateway}
    of_the_server = [edge for edge in roles.of(members) if edge.role.startswith("pg_")]
    return _by_member(SERVER_ROLE, of_the_server, scope.version)


def _judge_owners(scope: Scope, roles: Roles) -> Iterable[Finding]:
    if scope.postgrest in scope.owners and not roles.roles[scope.postgrest].is_superuser:
        yield OWNER_IN_REACH.broken(
            _role(scope.postgrest),
            detail="PostgREST's login owns the database or the auth schema.",
            fix="Let PostgREST log in as `authenticator`, which owns nothing.",
        )
    above = {*_privileged(scope, roles), scope.gateway}
    reached = [edge for edge in roles.of({*scope.clients, scope.postgrest}) if edge.role in above]
    yield from _by_member(OWNER_IN_REACH, reached, scope.version)


def _judge_gateway(scope: Scope, roles: Roles, logins: Sequence[Login]) -> Iterable[Finding]:
    gateway = roles.roles.get(scope.gateway)
    if gateway is None:
        return
    edges = [edge for edge in roles.of({gateway.name}) if not edge.role.startswith("pg_")]
    above = _privileged(scope, roles)
    owners = [login.name for login in logins if login.part is Part.OWNER]
    if gateway.is_superuser or gateway.name in above:
        detail = "It is a superuser." if gateway.is_superuser else "It owns the database or the auth schema."
        yield GATEWAY_OWNS.broken(_role(gateway.name), detail=detail)
    elif gateway.name in owners:
        yield GATEWAY_OWNS.broken(_role(gateway.name), detail="It is the owner's login as well.")
    elif gateway.powers:
        yield GATEWAY_OWNS.broken(
            _role(gateway.name), detail=_powers(gateway), sql=_without_powers(gateway), fix=POWERFUL.fix
        )
    else:
        owning = [edge for edge in edges if edge.role in above]
        yield from _by_member(GATEWAY_OWNS, owning, scope.version, fix="Revoke the membership.")
    more = [edge for edge in edges if edge.role not in above and edge.role != scope.anon]
    if gateway.name != scope.postgrest:
        yield from _by_member(GATEWAY_HAS_MORE, more, scope.version)
    elif more:
        yield GATEWAY_HAS_MORE.broken(
            _role(gateway.name),
            detail="It is PostgREST's login as well.",
            fix="Let the gateway log in as `gateway`, which `postgate migrate` creates.",
        )


def _judge_inheritance(scope: Scope, roles: Roles) -> Iterable[Finding]:
    for login in dict.fromkeys((scope.postgrest, scope.gateway)):
        role = roles.roles.get(login)
        edges = [edge for edge in roles.of({login}) if edge.inherits and not edge.role.startswith("pg_")]
        if role is None or role.is_superuser or not edges:
            continue
        statements = [f"alter role {sql_name(login)} noinherit;"]
        if scope.version >= MEMBERSHIPS_OF_THEIR_OWN:
            statements += [edge.disinherit(version=scope.version) for edge in edges]
        yield INHERITS.broken(
            _role(login), detail=f"Inherited: {_names(edges)}.", sql="\n".join(dict.fromkeys(statements))
        )


def _privileged(scope: Scope, roles: Roles) -> set[str]:
    """Owners and superusers, except roles of clients, which have their own finding."""
    superusers = {role.name for role in roles.roles.values() if role.is_superuser}
    return {*scope.owners, *superusers} - {*scope.clients}


def _by_member(rule: Rule, edges: Sequence[Membership], version: int, fix: str = "") -> Iterable[Finding]:
    for member in dict.fromkeys(edge.member for edge in edges):
        own = [edge for edge in edges if edge.member == member]
        statements = dict.fromkeys(edge.revoke(version=version) for edge in own)
        yield rule.broken(
            _role(member), detail=f"Member of {_names(own)}.", sql="\n".join(statements), fix=fix
        )


def _names(edges: Sequence[Membership]) -> str:
    return ", ".join(dict.fromkeys(sql_name(edge.role) for edge in edges))


def _role(name: str) -> str:
    return f"role {sql_name(name)}"


def _powers(role: Role) -> str:
    return "It " + " and ".join(words for words, _ in role.powers) + "."


def _without_powers(role: Role) -> str:
    if role.is_first:  # without a superuser, no role can administer the cluster
        return ""
    return f"alter role {sql_name(role.name)} {' '.join(word for _, word in role.powers)};"
