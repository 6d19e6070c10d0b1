"""The statement of a call, which returns one row: the response's body, and how the function changed it.

Column `body` is text in the negotiated media type, `rows` the number of rows, `headers` and `status` are the
settings of the response. The one parameter, $1, is the body of the request.

The statement runs with the search path of the called function, so each name in it has its schema, operators
and casts included. `case x when`, `in`, `like` and `using` look up operators without a schema: it uses none
of them.
"""

from typing import Final

from app.auth.arguments import RAW_KINDS, Arguments, Kind
from app.auth.context import ARGUMENTS, quote_name
from app.auth.documents import compact, has_nul
from app.auth.failures import rejected_value
from app.auth.negotiation import Media
from app.auth.overloads import takes_whole
from app.auth.signatures import Parameter, Shape, Signature

# The aggregate reads response.* after the last row. A column called like the alias would take precedence over
# it, hence the unusual name
_STATEMENT: Final = """\
with _outcome_ as materialized ({source})
select {body} as body, {rows} as rows,
  pg_catalog.current_setting('response.headers', true) as headers,
  pg_catalog.current_setting('response.status', true) as status
from _outcome_"""

_SCALARS: Final = frozenset({Shape.VOID, Shape.SCALAR, Shape.SET_OF_SCALARS})
_SINGLES: Final = frozenset({Shape.VOID, Shape.SCALAR, Shape.ROW})
# Types of a single unnamed parameter that accept any body; JSON has been parsed before
_ALWAYS_FITS: Final = frozenset({"pg_catalog.text", "pg_catalog.bytea", "pg_catalog.json"})
# Types of named parameters that every member of a JSON object converts to
_FITS_ANY_MEMBER: Final = frozenset({"pg_catalog.text", "pg_catalog.json"})

_NO_CHARACTER: Final = "22021"  # character_not_in_repertoire
_NO_ESCAPE: Final = "22P05"  # untranslatable_character

# The brackets are cut off as text: an operator on JSON that contains NUL fails, and quotes it in the log
_FIRST: Final = """coalesce(
    pg_catalog.substr(
      pg_catalog.json_agg({item})::pg_catalog.text,
      2,
      pg_catalog.length(pg_catalog.json_agg({item})::pg_catalog.text) OPERATOR(pg_catalog.-) 2
    ), 'null'
  )"""
_ALL: Final = "coalesce(pg_catalog.json_agg({item})::pg_catalog.text, '[]')"
_CSV: Final = """(
    select coalesce(pg_catalog.string_agg(columns.name, ','), '')
    from (
      select pg_catalog.json_object_keys(pg_catalog.row_to_json(_names_)) as name
      from (
        select _nothing_.* from (select) as _one_ left join _outcome_ as _nothing_ on false
        where exists (select from _outcome_)
      ) as _names_
    ) as columns
  ) OPERATOR(pg_catalog.||) E'\\n' OPERATOR(pg_catalog.||) coalesce(
    pg_catalog.string_agg(
      pg_catalog.substr(
        _outcome_::pg_catalog.text,
        2,
        pg_catalog.length(_outcome_::pg_catalog.text) OPERATOR(pg_catalog.-) 2
      ),
      E'\\n'
    ), ''
  )"""

# A failed conversion quotes the value in its message, and so in the server's log. A caught error is not
# logged, and only PL/pgSQL catches one in all versions of Postgres. So the conversions run here first. `do`
# takes no parameters
_CHECK: Final = """
declare
  given pg_catalog.text := pg_catalog.current_setting('{setting}');
begin
  perform pg_catalog.set_config('{setting}', '', true);
  begin
    perform {conversion};
  exception when others then
    raise exception using errcode = sqlstate, message = 'an argument does not fit its parameter';
  end;
end"""


def call_statement(
    schema: str, function: str, signature: Signature, arguments: Arguments, media: Media
) -> str:
    """The SQL of a call; it takes `call_parameters`."""
    return _STATEMENT.format(
        source=_source(f"{quote_name(schema)}.{quote_name(function)}", signature, arguments),
        body=_body(signature.shape, media),
        rows="1" if signature.shape in _SINGLES else "pg_catalog.count(*)",
    )


def call_parameters(signature: Signature, arguments: Arguments) -> tuple[str | bytes, ...]:
    """The parameters of the statement: the unchanged body, a form as JSON, or none.

    Raises Rejected for NUL, which Postgres cannot hold: its error would quote the body in the server's log.
    """
    whole = takes_whole(signature, arguments.kind)
    if not _given(signature, arguments) and not whole:
        return ()
    if arguments.kind is Kind.FORM:
        document: str | bytes = _form_document(signature, arguments)
    else:
        document = arguments.document
    if isinstance(document, str):
        if "\0" in document:
            raise rejected_value(_NO_CHARACTER)
        keeps_escapes = whole and signature.parameters[0].type == "pg_catalog.json"
        if arguments.kind not in RAW_KINDS and not keeps_escapes and has_nul(document):
            raise rejected_value(_NO_ESCAPE)
    return (document,)


def check_statement(
    signature: Signature, arguments: Arguments, parameters: tuple[str | bytes, ...]
) -> str | None:
    """A statement with only the conversions of the call, whose errors quote no value; None if none can fail.

    `parameters` are those of the call. It reads the document from the setting `context.ARGUMENTS`.
    """
    given = _given(signature, arguments)
    if takes_whole(signature, arguments.kind):
        type_ = signature.parameters[0].type
        conversion = "" if type_ in _ALWAYS_FITS else f"given::{type_}"
    else:
        conversion = "" if _cannot_fail(given, parameters) else f"1 from {_spread(given, 'given')}"
    if not conversion:
        return None
    body = _CHECK.format(setting=ARGUMENTS, conversion=conversion)
    return f"do language plpgsql {_literal(body)}"


def _source(function: str, signature: Signature, arguments: Arguments) -> str:
    given = _given(signature, arguments)
    if takes_whole(signature, arguments.kind):
        spread, call = "", f"{function}({_whole(signature.parameters[0])})"
    elif given:
        spread = f"{_spread(given, '$1')}, "
        call = f"{function}({', '.join(_argument(p) for p in given)})"
    else:
        spread, call = "", f"{function}()"
    if signature.shape in _SCALARS:
        call = f"(select {call} as pgrst_scalar)"
    return f"select called.* from {spread}lateral {call} as called"  # noqa: S608 (quoted names alone)


def _cannot_fail(given: list[Parameter], parameters: tuple[str | bytes, ...]) -> bool:
    """Whether Postgres can spread the document over these parameters, whatever its values are.

    It must be an object: `?columns=` admits other documents. Letters outside ASCII, escaped or not, may be
    missing in the encoding of the database.
    """
    return all(parameter.type in _FITS_ANY_MEMBER for parameter in given) and all(
        isinstance(document, str)
        and document.lstrip(" \t\r\n").startswith("{")
        and document.isascii()
        and "\\u" not in document
        for document in parameters
    )


def _given(signature: Signature, arguments: Arguments) -> list[Parameter]:
    return [parameter for parameter in signature.parameters if parameter.name in arguments.names]


def _whole(parameter: Parameter) -> str:
    # $1 is text or bytea: asyncpg knows these types without a query
    if parameter.type == "pg_catalog.bytea":
        return "$1::pg_catalog.bytea"
    return f"$1::pg_catalog.text::{parameter.type}"


def _spread(given: list[Parameter], document: str) -> str:
    """The first object of the document, as a row with the declared types."""
    columns = ", ".join(f"{quote_name(p.name)} {p.type}" for p in given)
    return (
        f"(select {document}::pg_catalog.text::pg_catalog.json as document) as body, "  # noqa: S608 (quoted)
        "lateral (select * from pg_catalog.json_to_recordset("
        "case when pg_catalog.json_typeof(body.document) OPERATOR(pg_catalog.=) 'array'"
        " then body.document else pg_catalog.json_build_array(body.document) end"
        f") as record ({columns}) limit 1) as argument"
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


def _literal(text: str) -> str:
    """An SQL string literal, independent of `standard_conforming_strings`."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _form_document(signature: Signature, arguments: Arguments) -> str:
    """A form's fields as a JSON object: the last value of a name, or all values for a variadic parameter."""
    variadic = {parameter.name for parameter in signature.parameters if parameter.is_variadic}
    document: dict[str, str | list[str]] = dict(arguments.fields)
    for name in variadic & arguments.names:
        document[name] = [value for key, value in arguments.fields if key == name]
    return compact(document)
