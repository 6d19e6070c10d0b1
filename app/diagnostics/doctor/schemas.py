"""The schemas that clients may use, and those in which they may create objects."""

from collections.abc import Iterable
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.scope import OUR_MACHINERY, Schema, Scope

AUTH_EXPOSED: Final = Rule(
    "PD301",
    Severity.WARNING,
    "PostgREST exposes the auth schema.",
    "Clients can call its functions without the gateway and its limits, and every mistaken grant in it is "
    "open to all clients.",
    "Remove it from PGRST_DB_SCHEMAS: the gateway calls its functions itself.",
)
MACHINERY_EXPOSED: Final = Rule(
    "PD302",
    Severity.DANGER,
    "PostgREST exposes an internal schema.",
    "The schema auth_private has the functions that sign tokens; the server's own schemas show roles, "
    "settings and the source of every function.",
    "Remove it from PGRST_DB_SCHEMAS.",
)
MACHINERY_OPEN: Final = Rule(
    "PD303",
    Severity.DANGER,
    "Clients may use the schema auth_private.",
    "Clients that may not use the schema cannot sign tokens, even if a function in it is granted to them by "
    "mistake.",
    "Revoke usage.",
)
CLIENTS_CREATE: Final = Rule(
    "PD304",
    Severity.WARNING,
    "Clients may create objects in an exposed or auth schema.",
    "A client that can run a statement, through any vulnerability, can add functions and views to the API. "
    "Up to PostgreSQL 14, every role may create in the schema public of every new database.",
    "Revoke create.",
)

_NOT_FOR_CLIENTS: Final = frozenset({OUR_MACHINERY, "postgate", "pg_catalog", "information_schema"})


def judge(scope: Scope) -> list[Finding]:
    return [*_judge_exposure(scope), *_judge_machinery(scope), *_judge_creators(scope)]


def _judge_exposure(scope: Scope) -> Iterable[Finding]:
    for name in scope.exposed:
        if name in _NOT_FOR_CLIENTS:
            yield MACHINERY_EXPOSED.broken(_schema(name))
        elif name in scope.auth:
            yield AUTH_EXPOSED.broken(_schema(name))


def _judge_machinery(scope: Scope) -> Iterable[Finding]:
    schema = scope.schemas.get(OUR_MACHINERY)
    if not scope.is_ours or schema is None:
        return
    if clients := scope.granted(schema.users, schema.usage_grantees, schema.owner):
        grants = scope.grants(clients, schema.usage_grantees)
        yield MACHINERY_OPEN.broken(
            _schema(schema.name),
            detail=f"By {', '.join(map(sql_name, clients))}.",
            sql=_without("usage", schema, grants, scope),
        )


def _judge_creators(scope: Scope) -> Iterable[Finding]:
    for name in scope.watched:
        schema = scope.schemas.get(name)
        if schema is None:
            continue
        if clients := scope.granted(schema.creators, schema.create_grantees, schema.owner):
            grants = scope.grants(clients, schema.create_grantees)
            yield CLIENTS_CREATE.broken(
                _schema(name),
                detail=f"By {', '.join(map(sql_name, clients))}.",
                sql=_without("create", schema, grants, scope),
            )


def _without(right: str, schema: Schema, grants: str, scope: Scope) -> str:
    """The statements that revoke a right from all clients, also from one that owns the schema."""
    statements = [f"revoke {right} on {_schema(schema.name)} from {grants};"] if grants else []
    if any(schema.owner in roles for roles in scope.held.values()):
        statements.append(scope.take_over(_schema(schema.name)))
    return "\n".join(statements)


def _schema(name: str) -> str:
    return f"schema {sql_name(name)}"
