"""Select the overload of a call by the names of its arguments.

The rule is PostgREST's, and so are the two errors: no overload fits (PGRST202), several fit (PGRST203).
"""

from collections.abc import Sequence
from typing import Final

from app.auth.arguments import RAW_KINDS, Arguments, Kind
from app.auth.replies import Rejected, Reply, error_reply
from app.auth.signatures import Signature

# A function with one unnamed parameter of such a type takes the whole body of this kind
_WHOLE: Final = {
    "pg_catalog.json": Kind.JSON,
    "pg_catalog.jsonb": Kind.JSON,
    "pg_catalog.text": Kind.TEXT,
    "pg_catalog.xml": Kind.XML,
    "pg_catalog.bytea": Kind.BYTES,
}
_UNNAMED: Final = {Kind.TEXT: "text", Kind.XML: "xml", Kind.BYTES: "bytea"}
_AMBIGUOUS_HINT: Final = (
    "Try renaming the parameters or the function itself in the database "
    "so function overloading can be resolved"
)


def choose(signatures: Sequence[Signature], arguments: Arguments, *, function: str) -> Signature:
    """The only signature that fits; `function` is its qualified name, for errors. Raises Rejected."""
    named = [signature for signature in signatures if _fits(signature, arguments)]
    fitting = named or [signature for signature in signatures if takes_whole(signature, arguments.kind)]
    if not fitting:
        raise Rejected(_not_found(signatures, arguments, function))
    if len(fitting) > 1:
        raise Rejected(_ambiguous(fitting, function))
    return fitting[0]


def takes_whole(signature: Signature, kind: Kind) -> bool:
    """Whether the function has a single unnamed parameter for a body of this kind."""
    if len(signature.parameters) != 1:
        return False
    parameter = signature.parameters[0]
    return not parameter.name and _WHOLE.get(parameter.type) is kind


def _fits(signature: Signature, arguments: Arguments) -> bool:
    names = {parameter.name for parameter in signature.parameters}
    if "" in names:
        return False
    if not names:
        return not arguments.names and arguments.kind not in RAW_KINDS
    required = {parameter.name for parameter in signature.parameters if parameter.is_required}
    return required <= arguments.names <= names


def _not_found(signatures: Sequence[Signature], arguments: Arguments, function: str) -> Reply:
    names = sorted(arguments.names)
    listed = ", ".join(names)
    if arguments.kind in RAW_KINDS:
        called, searched = "", f" with a single unnamed {_UNNAMED[arguments.kind]} parameter"
    elif not names:
        called = searched = " without parameters"
    else:
        called, searched = f"({listed})", f" with parameter{'s' if len(names) > 1 else ''} {listed}"
    if arguments.kind is Kind.JSON:
        searched += " or with a single unnamed json/jsonb parameter"
    return error_reply(
        404,
        "PGRST202",
        f"Could not find the function {function}{called} in the schema cache",
        details=f"Searched for the function {function}{searched},"
        " but no matches were found in the schema cache.",
        hint=_nearest(signatures, arguments, function),
    )


def _nearest(signatures: Sequence[Signature], arguments: Arguments, function: str) -> str | None:
    """The hint for a misspelt name: the overload that shares most names with the call; None without one."""
    candidates = [sorted(parameter.name for parameter in signature.parameters) for signature in signatures]
    nearest = max(candidates, key=lambda names: len(arguments.names.intersection(names)), default=[])
    if arguments.names.isdisjoint(nearest):
        return None
    return f"Perhaps you meant to call the function {function}({', '.join(nearest)})"


def _ambiguous(signatures: Sequence[Signature], function: str) -> Reply:
    candidates = ", ".join(
        f"{function}({', '.join(f'{p.name} => {p.type_title}' for p in signature.parameters)})"
        for signature in signatures
    )
    message = f"Could not choose the best candidate function between: {candidates}"
    return error_reply(300, "PGRST203", message, hint=_AMBIGUOUS_HINT)
