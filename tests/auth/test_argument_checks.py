"""When the arguments of a call are converted once before it: wherever a conversion could fail."""

import pytest

from app.auth.arguments import Arguments, read_arguments
from app.auth.calls import FunctionCall
from app.auth.signatures import Parameter, Shape, Signature
from app.auth.statements import call_parameters, check_statement

FORM = (b"content-type", b"application/x-www-form-urlencoded")
CSV = (b"content-type", b"text/csv")
TEXTS = ("text", "text")


def checked(types: tuple[str, ...], arguments: Arguments) -> bool:
    parameters = tuple(
        Parameter(name, f"pg_catalog.{type_}", type_, is_required=False, is_variadic=False)
        for name, type_ in zip("ab", types, strict=False)
    )
    signature = Signature(parameters, Shape.VOID, is_read_only=False, isolation=None, settings=())
    return check_statement(signature, arguments, call_parameters(signature, arguments)) is not None


CALLS: dict[str, tuple[tuple[str, ...], bytes, list[tuple[bytes, bytes]], bytes, bool]] = {
    # types, body, headers, query, whether it is checked
    "strings for texts": (TEXTS, b'{"a":"x","b":"y"}', [], b"", False),
    "blanks before them": (TEXTS, b'\r\n {"a":"x"}', [], b"", False),
    "anything for texts": (TEXTS, b'{"a":[1,{}],"b":null}', [], b"", False),
    "anything for JSON": (("json",), b'{"a":[1,{}]}', [], b"", False),
    "a form": (TEXTS, b"a=x&b=%22", [FORM], b"", False),
    "CSV": (TEXTS, b'a,b\nx,"y\n"', [CSV], b"", False),
    "no arguments": ((), b"", [], b"", False),
    "one of another type": (("text", "integer"), b'{"a":"x","b":1}', [], b"", True),
    "another type that is not given": (("text", "integer"), b'{"a":"x"}', [], b"", False),
    "jsonb": (("jsonb",), b'{"a":1e999999}', [], b"", True),
    "a bounded text": (("varchar",), b'{"a":"x"}', [], b"", True),
    "an escape": (TEXTS, rb'{"a":"\u20ac"}', [], b"", True),
    "a letter that the database may not have": (TEXTS, '{"a":"€"}'.encode(), [], b"", True),
    "an array": (TEXTS, b'[{"a":"x"}]', [], b"", True),
    "a text by its columns": (TEXTS, b'"x"', [], b"columns=a", True),
    "an array by its columns": (TEXTS, b"[1]", [], b"columns=a", True),
    "an object by its columns": (TEXTS, b'{"a":"x"}', [], b"columns=a,b", False),
}


@pytest.mark.parametrize("which", CALLS)
def test_a_call_is_checked_where_a_value_could_not_become_its_parameter(which: str) -> None:
    types, body, headers, query, expected = CALLS[which]
    call = FunctionCall(name="it", path="/rpc/it", query=query, headers=headers, body=body)

    assert checked(types, read_arguments(call)) is expected
