"""The statement of a call: arguments spread by Postgres, the function, and the body it makes, in one row.

Column `body` is text in the asked-for media type, `rows` how many there were, `headers` and `status`
what the function asked of the response. The one parameter, $1, is the body of the request.
"""

from typing import Final

from app.auth.arguments import Arguments, Kind
from app.auth.context import quote_name
from app.auth.documents import compact
from app.auth.negotiation import Media
from app.auth.overloads import takes_whole
from app.auth.signatures import Parameter, Shape, Signature

# An aggregate on top, so that response.* are read after the last row has been made. The odd name is
# one that no column has: a column's name would win over it
_STATEMENT: Final = """\
with _outcome_ as materialized ({source})
select {body} as body, {rows} as rows,
  current_setting('response.headers', true) as headers,
  current_setting('response.status', true) as status
from _outcome_"""

_SCALARS: Final = frozenset({Shape.VOID, Shape.SCALAR, Shape.SET_OF_SCALARS})
_SINGLES: Final = frozenset({Shape.VOID, Shape.SCALAR, Shape.ROW})

_FIRST: Final = "coalesce((json_agg({item}) -> 0)::text, 'null')"
_ALL: Final = "coalesce(json_agg({item})::text, '[]')"
_CSV: Final = """(
    select coalesce(string_agg(key, ','), '')
    from (select json_object_keys(row_to_json(f)) as key from (select * from _outcome_ limit 1) as f) as k
  ) || E'\\n' || coalesce(
    string_agg(substring(_outcome_::text, 2, length(_outcome_::text) - 2), E'\\n'), ''
  )"""


def call_statement(
    schema: str, function: str, signature: Signature, arguments: Arguments, media: Media
) -> str:
    return _STATEMENT.format(
        source=_source(f"{quote_name(schema)}.{quote_name(function)}", signature, arguments),
        body=_body(signature.shape, media),
        rows="1" if signature.shape in _SINGLES else "count(*)",
    )


def call_parameters(signature: Signature, arguments: Arguments) -> tuple[str | bytes, ...]:
    """What the statement takes: the body as it came, a form as JSON, or nothing."""
    if not _given(signature, arguments) and not takes_whole(signature, arguments.kind):
        return ()
    if arguments.kind is Kind.FORM:
        return (_form_document(signature, arguments),)
    return (arguments.document,)


def _source(function: str, signature: Signature, arguments: Arguments) -> str:
    given = _given(signature, arguments)
    if takes_whole(signature, arguments.kind):
        spread, call = "", f"{function}({_whole(signature.parameters[0])})"
    elif given:
        spread, call = _spread(given), f"{function}({', '.join(_argument(p) for p in given)})"
    else:
        spread, call = "", f"{function}()"
    if signature.shape in _SCALARS:
        call = f"(select {call} as pgrst_scalar)"
    return f"select called.* from {spread}lateral {call} as called"  # noqa: S608 (quoted names alone)


def _given(signature: Signature, arguments: Arguments) -> list[Parameter]:
    return [parameter for parameter in signature.parameters if parameter.name in arguments.names]


def _whole(parameter: Parameter) -> str:
    # The parameter of the statement has one of the types that need no look-up of theirs: text or bytea
    return "$1::bytea" if parameter.type == "pg_catalog.bytea" else f"$1::text::{parameter.type}"


def _spread(given: list[Parameter]) -> str:
    """The first object of the document, as a row with the declared types."""
    columns = ", ".join(f"{quote_name(p.name)} {p.type}" for p in given)
    return (
        "(select $1::text::json as document) as body, "  # noqa: S608 (quoted names alone)
        "lateral (select * from json_to_recordset("
        "case json_typeof(document) when 'array' then document else json_build_array(document) end"
        f") as record ({columns}) limit 1) as argument, "
    )


def _argument(parameter: Parameter) -> str:
    name = quote_name(parameter.name)
    return f"{'variadic ' if parameter.is_variadic else ''}{name} => argument.{name}"


def _body(shape: Shape, media: Media) -> str:
    if media is Media.CSV:
        return _CSV
    item = "_outcome_.pgrst_scalar" if shape in _SCALARS else "_outcome_"
    only_first = shape in _SINGLES or media is Media.OBJECT
    return (_FIRST if only_first else _ALL).format(item=item)


def _form_document(signature: Signature, arguments: Arguments) -> str:
    """A form's fields as a JSON object of strings: the last one of a name, or all for a variadic."""
    variadic = {parameter.name for parameter in signature.parameters if parameter.is_variadic}
    document: dict[str, str | list[str]] = dict(arguments.fields)
    for name in variadic & arguments.names:
        document[name] = [value for key, value in arguments.fields if key == name]
    return compact(document)
