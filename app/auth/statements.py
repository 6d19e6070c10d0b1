"""The statement of a call: arguments spread by Postgres, the function, and the body it makes, in one row.

Column `body` is text in the asked-for media type, `rows` how many there were, `headers` and `status`
what the function asked of the response. The one parameter, $1, is the body of the request.

It runs under the path of the called function, so every name in it has its schema: also operators, casts, and
what SQL would find by name for `case x when`, `in`, `like` or `using`, which therefore do not occur.
"""

from typing import Final

from app.auth.arguments import RAW_KINDS, Arguments, Kind
from app.auth.context import ARGUMENTS, quote_name
from app.auth.documents import compact, has_nul
from app.auth.failures import refused_value
from app.auth.negotiation import Media
from app.auth.overloads import takes_whole
from app.auth.signatures import Parameter, Shape, Signature

# An aggregate on top, so that response.* are read after the last row has been made. The odd name is
# one that no column has: a column's name would win over it
_STATEMENT: Final = """\
with _outcome_ as materialized ({source})
select {body} as body, {rows} as rows,
  pg_catalog.current_setting('response.headers', true) as headers,
  pg_catalog.current_setting('response.status', true) as status
from _outcome_"""

_SCALARS: Final = frozenset({Shape.VOID, Shape.SCALAR, Shape.SET_OF_SCALARS})
_SINGLES: Final = frozenset({Shape.VOID, Shape.SCALAR, Shape.ROW})
# Of what a function takes whole: JSON has been read by then
_NEVER_REFUSED: Final = frozenset({"pg_catalog.text", "pg_catalog.bytea", "pg_catalog.json"})

_NO_CHARACTER: Final = "22021"  # character_not_in_repertoire
_NO_ESCAPE: Final = "22P05"  # untranslatable_character

# Cut out of its brackets: to read JSON with NUL in it is an error, which would quote it in the server's log
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

# An error of Postgres quotes the value that has not the form of its type, in the message and so in the
# server's log, or the line of JSON around it. One that is caught is not logged, and this is the only way to
# catch one in all versions: so the same conversions run here first. $1 cannot be given to `do`
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
    return _STATEMENT.format(
        source=_source(f"{quote_name(schema)}.{quote_name(function)}", signature, arguments),
        body=_body(signature.shape, media),
        rows="1" if signature.shape in _SINGLES else "pg_catalog.count(*)",
    )


def call_parameters(signature: Signature, arguments: Arguments) -> tuple[str | bytes, ...]:
    """What the statement takes: the body as it came, a form as JSON, or nothing.

    Raises Refused for NUL, which Postgres cannot hold: its error would quote the body in the server's log.
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
            raise refused_value(_NO_CHARACTER)
        keeps_escapes = whole and signature.parameters[0].type == "pg_catalog.json"
        if arguments.kind not in RAW_KINDS and not keeps_escapes and has_nul(document):
            raise refused_value(_NO_ESCAPE)
    return (document,)


def check_statement(signature: Signature, arguments: Arguments) -> str | None:
    """The conversions of the call alone, quoting no value if one fails; None if there are none.

    It takes the document from the setting `context.ARGUMENTS`.
    """
    given = _given(signature, arguments)
    if takes_whole(signature, arguments.kind):
        type_ = signature.parameters[0].type
        conversion = "" if type_ in _NEVER_REFUSED else f"given::{type_}"
    else:
        conversion = f"1 from {_spread(given, 'given')}" if given else ""
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


def _given(signature: Signature, arguments: Arguments) -> list[Parameter]:
    return [parameter for parameter in signature.parameters if parameter.name in arguments.names]


def _whole(parameter: Parameter) -> str:
    # The parameter of the statement has one of the types that need no look-up of theirs: text or bytea
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
    """A string of SQL, read alike whatever `standard_conforming_strings` says."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _form_document(signature: Signature, arguments: Arguments) -> str:
    """A form's fields as a JSON object of strings: the last one of a name, or all for a variadic."""
    variadic = {parameter.name for parameter in signature.parameters if parameter.is_variadic}
    document: dict[str, str | list[str]] = dict(arguments.fields)
    for name in variadic & arguments.names:
        document[name] = [value for key, value in arguments.fields if key == name]
    return compact(document)
