"""Every statement of the gateway names the schema of everything in it: read as text, with no database.

The shadows show it where a path leads astray; this does where the gateway's own path would hide an omission.
"""

import itertools
import re
from typing import Final

import pytest

from app.auth import functions, transactions
from app.auth.arguments import Arguments, Kind
from app.auth.limits.records import FailureRecords
from app.auth.listener import RevocationListener
from app.auth.mail.outbox import Outbox
from app.auth.negotiation import Media
from app.auth.signatures import _GRANTED, _READ, FINGERPRINT, Parameter, Shape, Signature
from app.auth.statements import call_statement, check_statement
from app.core.session.revocations import Revocations

# Grammar that stands before a bracket; `columns`, `record`, `setting`, ... are aliases with a column list
WORDS: Final = frozenset(
    [
        *(
            "and",
            "argument",
            "array",
            "as",
            "coalesce",
            "exists",
            "configured",
            "from",
            "in",
            "lateral",
            "materialized",
        ),
        *("record", "rows", "select", "setting"),
    ]
)
TOKENS: Final = re.compile(
    r"""
    (?P<literal> E?'(?:[^'\\]|''|\\.)*' )
  | (?P<operator> OPERATOR\(pg_catalog\.[^)]+\) )
  | (?P<cast> ::\s*(?:pg_catalog|"auth")\.(?:\w+|"[^"]+")(?:\[\])? )
  | (?P<call> (?:(?:pg_catalog|"auth")\.)?(?:\w+|"[^"]+")\s*\( )
  | (?P<relation> \b(?:from|join)\s+(?!\(|lateral\b|rows\b|pg_catalog\.|"auth"\.)\w+ )
  | (?P<arrow> => )
  | (?P<symbol> [-+*/<>=~!@\#%^&|`?:]+ )
    """,
    re.VERBOSE | re.IGNORECASE,
)
# CTEs, and what a `select *` or `count(*)` writes
OWN_RELATIONS: Final = frozenset({"_outcome_", "returned"})


def _signature(shape: Shape, *parameters: Parameter) -> Signature:
    return Signature(parameters, shape, is_read_only=False, isolation=None, settings=())


NAMED = Parameter("a", 'pg_catalog."_int4"', "integer[]", is_required=True, is_variadic=True)
GIVEN = Arguments(Kind.JSON, frozenset({"a"}), '{"a":[1]}')
NOTHING = Arguments(Kind.JSON, frozenset(), "{}")
WHOLE = {
    Kind.JSON: ("json", "jsonb"),
    Kind.TEXT: ("text",),
    Kind.XML: ("xml",),
    Kind.BYTES: ("bytea",),
}


def _whole(shape: Shape, kind: Kind, type_: str) -> tuple[Signature, Arguments]:
    parameter = Parameter("", f"pg_catalog.{type_}", type_, is_required=True, is_variadic=False)
    return _signature(shape, parameter), Arguments(kind, frozenset())


def _calls() -> set[str]:
    found = set()
    for shape, media in itertools.product(Shape, Media):
        for signature, arguments in (
            (_signature(shape), NOTHING),
            (_signature(shape, NAMED), GIVEN),
            *(_whole(shape, kind, type_) for kind, types in WHOLE.items() for type_ in types),
        ):
            found.add(call_statement("auth", "login", signature, arguments, media))
            found.add(_inside(check_statement(signature, arguments, ("{}",)) or ""))
    return found


def _inside(check: str) -> str:
    """The block of a `do`, without the options of its `raise`, which are PL/pgSQL and no names."""
    body = check.removeprefix("do language plpgsql E'").removesuffix("'").replace("''", "'")
    return re.sub(r"(?s)raise exception using .*?;", "", body)


OUTBOX: Final = Outbox(None, schema="auth")  # type: ignore[arg-type]
STATEMENTS: Final = {
    "read": _READ.format(
        granted=_GRANTED, fingerprint=FINGERPRINT.format(schema="$1", function="$2", role="$3")
    ),
    "set": functions._SET,
    "ground": transactions._BASELINE,
    "reset": transactions._RESET.replace("unlisten *", ""),
    "note": FailureRecords(None, schema="auth", observe=print)._statement,  # type: ignore[arg-type]
    "list": RevocationListener(None, Revocations(), print, schema="auth")._list,  # type: ignore[arg-type]
    "lease": OUTBOX._lease,
    "sent": OUTBOX._sent,
    "failed": OUTBOX._failed,
    "queue": OUTBOX._queue,
    **{f"call {number}": statement for number, statement in enumerate(sorted(_calls()))},
}


def unqualified(statement: str) -> list[str]:
    """What of a statement is found by a path: calls, casts, operators and relations."""
    found = []
    for token in TOKENS.finditer(statement):
        kind, text = token.lastgroup, token.group()
        if kind == "call":
            name = text.rstrip("( \n")
            if "." not in name and name.lower() not in WORDS:
                found.append(text)
        elif kind == "relation":
            if text.split()[-1] not in OWN_RELATIONS:
                found.append(text)
        elif kind == "symbol" and not _is_star(statement, token) and text != ":=":
            found.append(text)
    return found


def _is_star(statement: str, token: re.Match[str]) -> bool:
    """`select *`, `a.*` and `count(*)` are no multiplication."""
    return token.group() == "*" and re.search(r"(select |\.|\()$", statement[: token.start()]) is not None


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS.keys())
def test_nothing_is_left_to_the_path(statement: str) -> None:
    assert unqualified(statement) == []
    assert not re.search(
        r"(?i)\b(i?like|similar|between|using|distinct|nullif)\b|\bcase\s+(?!when)", statement
    )
    assert not re.search(r"(?i)\bin\s*\(", statement)


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("select count(*) from pg_catalog.pg_proc as p", ["count("]),
        ("select $1::text", ["::"]),
        ("select $1::pg_catalog.text[]", []),
        ("select a || 'x' from pg_catalog.pg_proc as p", ["||"]),
        ("select a OPERATOR(pg_catalog.||) 'x = y' from pg_catalog.pg_proc as p", []),
        ("select 1 from pg_proc as p", ["from pg_proc"]),
        ("select 1 from pg_catalog.pg_proc as p join pg_type as t on a = b", ["join pg_type", "="]),
        ("select 2 * 3", ["*"]),
    ],
)
def test_what_is_left_to_it_would_be_found(statement: str, names: list[str]) -> None:
    assert unqualified(statement) == names
