"""Calls that PostgREST and the gateway answer alike. Letter and number: the recorded answers' headings."""

import json

from .calling import CSV, FORM, JSON, TEXT, Request, post


def _accept(value: bytes) -> tuple[bytes, bytes]:
    return (b"accept", value)


def _cookie(value: bytes) -> tuple[bytes, bytes]:
    return (b"cookie", value)


def _prefer(value: bytes) -> tuple[bytes, bytes]:
    return (b"prefer", value)


def _hdr(headers: str, name: str = "hdr") -> Request:
    return post(name, json.dumps({"h": headers}))


def _raise(state: str, message: str = "msg") -> Request:
    return post("raise_state", json.dumps({"state": state, "message": message}))


def _raise_pgrst(message: str, detail: str) -> Request:
    return post("raise_pgrst", json.dumps({"message": message, "detail": detail}))


_CREDENTIALS = '{"user_":"demo","pass":"demo"}'
_BODY = '{"code":"X123","message":"Custom msg","details":"some details","hint":"a hint"}'
_OBJECT = b"application/vnd.pgrst.object+json"

BODIES = {
    "A1 login": post("login", _CREDENTIALS),
    "A2 wrong password": post("login", '{"user_":"demo","pass":"bad"}'),
    "A3 unknown user": post("login", '{"user_":"nobody","pass":"bad"}'),
    "A4 null password": post("login", '{"user_":"demo","pass":null}'),
    "A5 missing argument": post("login", '{"user_":"demo"}'),
    "A6 extra argument": post("login", '{"user_":"demo","pass":"demo","x":1}'),
    "A7 malformed": post("login", '{"user_":"demo",'),
    "A8 empty": post("login", ""),
    "A9 array": post("login", f"[{_CREDENTIALS}]"),
    "A10 array of two": post("login", f'[{_CREDENTIALS},{{"user_":"demo","pass":"bad"}}]'),
    "A11 scalar": post("login", '"x"'),
    "A12 numbers": post("login", '{"user_":123,"pass":456}'),
    "A13 nested": post("login", '{"user_":{"a":1},"pass":[1]}'),
    "A14 form": post("login", "user_=demo&pass=demo", FORM),
    "A15 form with duplicate": post("login", "user_=demo&pass=demo&pass=bad", FORM),
    "A16 form with plus": post("login", "user_=demo%20x&pass=a+b", FORM),
    "A17 no Content-Type": post("login", _CREDENTIALS, None),
    "A18 charset": post("login", _CREDENTIALS, b"application/json; charset=utf-8"),
    "A19 text": post("login", _CREDENTIALS, TEXT),
    "A20 yaml": post("login", "a: b", b"application/yaml"),
    "A21 csv": post("login", "user_,pass\ndemo,demo\n", CSV),
    "A22 multipart": post("login", "--b--", b"multipart/form-data; boundary=b"),
    "A33 columns": post("login", '{"user_":"demo","pass":"demo","junk":1}', query=b"columns=user_,pass"),
    "A35 singular": post("login", _CREDENTIALS, JSON, _accept(_OBJECT)),
    "A44 UTF-8": post("login", '{"user_":"ÿ","pass":"x"}'),
    "A45 duplicate keys": post("login", '{"user_":"demo","pass":"bad","pass":"demo"}'),
    "array of different keys": post("login", f'[{_CREDENTIALS},{{"a":1}}]'),
    "array of scalars": post("login", "[1]"),
    "array with a scalar": post("login", f"[{_CREDENTIALS},1]"),
    "empty array": post("login", "[]"),
    "null": post("login", "null"),
    "not UTF-8": post("scalar_text", b'{"a":"\xff"}'),
    "half a surrogate pair": post("scalar_text", '{"a":"\\ud800"}'),
    "byte order mark": post("scalar_text", '\ufeff{"a":"x"}'),
    "UTF-16": post("scalar_text", '{"a":"x"}'.encode("utf-16")),
    "NaN": post("scalar_text", '{"a":NaN}'),
    "infinity": post("scalar_text", '{"a":-Infinity}'),
    "huge number": post("scalar_text", '{"a":1e999}'),
    "long number": post("scalar_text", '{"a":1' + "0" * 5000 + "}"),
    "control character": post("scalar_text", '{"a":"\t"}'),
    "trailing NUL": post("scalar_text", '{"a":"x"}\0'),
    "trailing comma": post("scalar_text", '{"a":"x",}'),
    "leading zero": post("scalar_text", '{"a":01}'),
    "single quotes": post("scalar_text", "{'a':1}"),
    "escaped key": post("scalar_text", '{"\\u0061":"c"}'),
    "blanks around": post("scalar_text", ' \n{"a":"c"}\r\n'),
    "unclosed": post("scalar_text", "[" * 1000),
    "form without a value": post("scalar_text", "a", FORM),
    "form with equals signs": post("scalar_text", "a=b=c", FORM),
    "form escaped name": post("scalar_text", "%61=1", FORM),
    "form bad escapes": post("scalar_text", "a=%zz%4", FORM),
    "form charset": post("scalar_text", "a=x", FORM + b"; charset=utf-8"),
    "form empty": post("scalar_text", "", FORM),
    "form JSON argument": post("scalar_json", 'a={"b":1}', FORM),
    "form array argument": post("mixed", "t=x&n=1&f=t&j={}&l={1,2}&d=2020-01-01&c=abcdef", FORM),
    "csv null": post("scalar_text", "a\nNULL\n", CSV),
    "csv two rows": post("scalar_text", "a\nx\ny\n", CSV),
    "csv quotes": post("scalar_text", 'a\n"x\ny"\n', CSV),
    "csv short row": post("optional", "a,b\n1\n", CSV),
    "csv long row": post("optional", "a\n1,2\n", CSV),
    "csv CR LF": post("scalar_text", "a\r\nx\r\n", CSV),
    "csv header only": post("scalar_int", "a\n", CSV),
    "csv uneven": post("optional", "a,b\n1,2\n3\n", CSV),
    "Content-Type in capitals": post("comp", "{}", b"Application/JSON"),
    "Content-Type with a blank": post("comp", "{}", b"application/json ;charset=x"),
    "Content-Type empty": post("comp", "{}", b""),
    "Content-Type listed": post("comp", "{}", b"application/json, text/plain"),
    "Content-Type of PostgREST": post("comp", "{}", _OBJECT),
    "Content-Type UTF-8": post("comp", "{}", 'text/y"é'.encode()),
    "Content-Type twice": post("comp", "{}", JSON, (b"content-type", TEXT)),
    "JSON in disguise": post("comp", "{}", b"text/plain;application/json"),
}

RECIPES = {
    "B3 refresh without cookie": post("refresh_token", ""),
    "B4 unknown cookie": post("refresh_token", "", JSON, _cookie(b"refresh_token=00000000")),
    "C1 logout": post("logout", "", None),
    "C2 logout as JSON": post("logout", ""),
    "K8 session login": post("login", '{"email":"foo@bar.com","password":"demo"}'),
    "K8 default replaced": post("login", '{"email":"foo@bar.com","password":"demo","remember":true}'),
    "K9 session login, wrong": post("login", '{"email":"foo@bar.com","password":"no"}'),
    "K14 session refresh": post("refresh_token", '{"refresh_token":"00000000-0000-0000-0000-000000000000"}'),
    "K16 token login": post("login", '{"email":"foo@bar.com","pass":"demo"}', schema="docs"),
    "K17 token login, wrong": post("login", '{"email":"foo@bar.com","pass":"x"}', schema="docs"),
    "K19 token login, singular": post(
        "login", '{"email":"foo@bar.com","pass":"demo"}', JSON, _accept(_OBJECT), schema="docs"
    ),
    "M4 another user": post("login", '{"user_":"carol","pass":"carol"}'),
}

FAILURES = {
    "E1 PT402": post("pt402"),
    "E2 PT401 without a message": post("pt401nomsg"),
    "E3 PTABC": _raise("PTABC", "bad pt"),
    "E4 PGRST": _raise_pgrst(_BODY, '{"status":418,"headers":{"X-Powered-By":"Nerd","Set-Cookie":"a=b"}}'),
    "E5 PGRST without JSON": _raise_pgrst("nope", "nope"),
    "E6 plain": post("raise_plain"),
    "E7 invalid_password": post("raise_invpw"),
    "E28 headers set, then raised": post("err_in_tx"),
    "M3 CR LF in the message": _raise("PT418", "line1\tX-Evil: 1 é"),
    "PT200": _raise("PT200"),
    "PT204": _raise("PT204"),
    "PT message with escapes": _raise("PT418", '<b>é\x7f\u2028"\\\x01/'),
    "PT message empty": _raise("PT418", ""),
    "PGRST 401": _raise_pgrst(_BODY, '{"status":401,"headers":{}}'),
    "PGRST status text": _raise_pgrst(_BODY, '{"status":418,"status_text":"Tea","headers":{}}'),
    "PGRST null details": _raise_pgrst(
        '{"code":"X","message":"m","details":null}', '{"status":418,"headers":{}}'
    ),
    "PGRST no headers": _raise_pgrst(_BODY, '{"status":418}'),
    "PGRST no status": _raise_pgrst(_BODY, '{"headers":{}}'),
    "PGRST text status": _raise_pgrst(_BODY, '{"status":"418","headers":{}}'),
    "PGRST number header": _raise_pgrst(_BODY, '{"status":418,"headers":{"a":1}}'),
    "PGRST list headers": _raise_pgrst(_BODY, '{"status":418,"headers":[]}'),
    "PGRST no message": _raise_pgrst('{"code":"X"}', '{"status":418,"headers":{}}'),
    "PGRST number code": _raise_pgrst('{"code":1,"message":"m"}', '{"status":418,"headers":{}}'),
    "PGRST object details": _raise_pgrst(
        '{"code":"X","message":"m","details":{"a":1}}', '{"status":418,"headers":{}}'
    ),
    "PGRST array": _raise_pgrst("[]", '{"status":418,"headers":{}}'),
    **{
        f"raised {state}": _raise(state)
        for state in (
            *("P0001", "P0002", "01000", "02000", "09000", "0A000", "0L000", "0P000", "22012", "23503"),
            *("23505", "25001", "25006", "28000", "28P01", "2D000", "38000", "39000", "3B000", "42501"),
            *("42883", "42P01", "55P03", "57014", "58030", "F0000", "HV000", "ZZ999"),
        )
    },
    "raised xmlagg": _raise("42883", "function xmlagg(text) does not exist"),
    "raised WHERE": _raise("21000", "UPDATE requires a WHERE clause"),
    "two candidates": post("typed", '{"a":1}'),
    "no candidate": post("typed", ""),
    "procedure": post("not_a_function"),
}

RESPONSES = {
    "E8 Set-Cookie twice": _hdr('[{"Set-Cookie":"a=1"},{"Set-Cookie":"b=2"},{"X-A":"1"},{"x-a":"2"}]'),
    "E9 own headers replaced": _hdr('[{"Content-Range":"9-9/9"},{"Content-Type":"text/x"}]'),
    "E10 not JSON": _hdr("nope"),
    "E11 object": _hdr('{"a":"b"}'),
    "E12 two keys": _hdr('[{"a":"b","c":"d"}]'),
    "E13 number": _hdr('[{"a":1}]'),
    "E14 none": _hdr("[]"),
    "E15 empty": _hdr(""),
    "E16 null": _hdr("[null]"),
    "E18 not Latin-1": _hdr('[{"X-A": "\u00e9\u2192"}]'),
    "M5 long": _hdr(json.dumps([{"Set-Cookie": "x=" + "a" * 8000}])),
    "headers nested": _hdr("[[]]"),
    "headers number": _hdr("5"),
    "headers null": _hdr("null"),
    "headers no key": _hdr("[{}]"),
    "headers null value": _hdr('[{"a":null}]'),
    "headers empty value": _hdr('[{"X":""}]'),
    "headers pair": _hdr('[{"X":"\\ud83d\\ude00"}]'),
    "headers tab": _hdr('[{"X":"a\\tb"}]'),
    "headers blanks": _hdr(' [ {"X":"1"} ] '),
    "headers trailing": _hdr('[{"X":"1"}] x'),
    "headers beside a body": _hdr('[{"X-A":"1"},{"content-type":"text/html"}]', "hdr_json"),
    "E20 status 201": post("st", '{"s":"201"}'),
    "E21 status 401": post("st", '{"s":"401"}'),
    "E22 status abc": post("st", '{"s":"abc"}'),
    "E23 status 404abc": post("st", '{"s":"404abc"}'),
    "E26 status 200, void": post("st_void", '{"s":"200"}'),
    "E27 status 303, void": post("st_void", '{"s":"303"}'),
    "M2 status 202, void": post("st_void", '{"s":"202"}'),
    "status 204 with a body": post("st", '{"s":"204"}'),
    "status 304 with a body": post("st", '{"s":"304"}'),
    "status 599": post("st", '{"s":"599"}'),
    "status negative": post("st", '{"s":"-1"}'),
    "status with a blank": post("st", '{"s":" 200"}'),
    "status trailing blank": post("st", '{"s":"200 "}'),
    "status in other digits": post("st", '{"s":"٢٠٠"}'),
    "status empty": post("st", '{"s":""}'),
}

_SHAPES = (
    *("scalar_int", "scalar_null", "scalar_array", "scalar_time", "spaced", "retnull", "comp"),
    *("comp_of_domain", "comp_null", "table_row", "no_row", "setof_comp", "setof_table", "setof_int"),
    *("setof_json", "setof_none", "tbl", "out_two", "void_set", "logout"),
)
SHAPES = {
    **{name: post(name) for name in _SHAPES},
    **{f"{name} as CSV": post(name, "{}", JSON, _accept(CSV)) for name in _SHAPES},
    **{f"{name} counted": post(name, "{}", JSON, _prefer(b"count=exact")) for name in _SHAPES},
    "E30 text": post("scalar_text", '{"a":"hé\\"llo"}'),
    "E41 default": post("scalar_int"),
    "one OUT": post("out_one", '{"n":1}'),
    "INOUT": post("in_out", '{"a":1}'),
    "json": post("scalar_json", '{"a": {"x" : [1,  2]}}'),
    "jsonb": post("scalar_jsonb", '{"a": {"x" : [1,  2]}}'),
    "tbl singular": post("tbl", "{}", JSON, _accept(_OBJECT)),
    "comp as array": post("comp", "{}", JSON, _accept(b"application/vnd.pgrst.array+json")),
    **{
        f"accept {accept.decode()}": post("comp", "{}", JSON, _accept(accept))
        for accept in (
            *(b"*/*", b"*/*;q=0", b"text/html,*/*", b"text/html, application/xhtml+xml, */*;q=0.8"),
            *(b"application/json;charset=utf-8", b"application/json; q=0", b"text/csv;charset=utf-8"),
            *(b"text/csv;q=0.5,application/json", b"text/html, text/csv", b"application/vnd.pgrst.object"),
        )
    },
    **{
        f"prefer {prefer.decode()}": post("setof_int", "{}", JSON, _prefer(prefer))
        for prefer in (
            *(b"count=exact, tx=commit", b"tx=rollback, count=exact", b"count=exact,count=planned"),
            *(b"COUNT=exact", b"count = exact", b"count=none", b"return=minimal", b"foo"),
        )
    },
    "prefer on two lines": post("setof_int", "{}", JSON, _prefer(b"tx=commit"), _prefer(b"count=exact")),
    "range": post("setof_int", "{}", JSON, (b"range", b"0-1")),
}

ARGUMENTS = {
    "E36 whole json": post("jsonarg", '{"any":[1, 2]}'),
    "whole jsonb": post("jsonbarg", '{"any":[1, 2]}'),
    "whole json, array": post("jsonarg", '[{"a":1}, {"a":2}]'),
    "whole json, scalar": post("jsonarg", "5"),
    "whole json, columns": post("jsonarg", '{"a":1}', query=b"columns=a"),
    "E37 whole text": post("textarg", "hello", TEXT),
    "whole text, charset": post("textarg", "hé", b"text/plain; charset=latin1"),
    "whole text, empty": post("textarg", "", TEXT),
    "whole text, columns": post("textarg", "x", TEXT, query=b"columns=a"),
    "whole text, JSON given": post("textarg", '{"a":1}'),
    "whole json, text given": post("jsonarg", "x", TEXT),
    "whole bytes": post("byteaarg", b"\xff\x00", b"application/octet-stream"),
    "whole xml": post("xmlarg", "<a/>", b"text/xml"),
    "application/xml": post("xmlarg", "<a/>", b"application/xml"),
    "text for a function with defaults": post("scalar_int", "", TEXT),
    "text for a function without parameters": post("comp", "", TEXT),
    "mixed": post("mixed", '{"t":1,"n":"1","f":"t","j":"x","l":[1,2],"d":"2020-01-01","c":"abcdef"}'),
    "variadic": post("many", '{"v":["a","b"]}'),
    "variadic form": post("many", "v=a&v=b", FORM),
    "variadic form, one": post("many", "v={1,2}", FORM),
    "variadic numbers": post("many_int", "a=x&v=1&v=2", FORM),
    "variadic missing": post("many"),
    "optional given": post("optional", '{"a":"x","c":"y"}'),
    "optional omitted": post("optional", '{"a":"x"}'),
    "row": post("of_row", '{"thing":{"a":1,"b":"z"}}'),
    "strange names": post('Strange "Näme"', '{"sel;ect":"1","a\\"b":"2"}'),
    "columns with blanks": post("optional", '{"a":"x","junk":1}', query=b"columns=%20a%20,%20b"),
    "columns quoted": post("optional", '{"a":"x","junk":1}', query=b'columns="a"'),
    "columns twice": post("optional", '{"a":"x","junk":1}', query=b"columns=a&columns=b"),
    "columns unknown": post("optional", '{"a":"x"}', query=b"columns=a,zz"),
    "columns missing in the body": post("scalar_text", "{}", query=b"columns=a"),
    "columns of an uneven array": post("scalar_text", '[{"a":"1"},{"b":2}]', query=b"columns=a"),
    "columns of an empty array": post("scalar_text", "[]", query=b"columns=a"),
    "columns of a form": post("scalar_text", "a=1&b=2", FORM, query=b"columns=a"),
    "query empty": post("comp", query=b"&"),
}

CONTEXT = {
    "everything": post("ctx"),
    "B5 quoted cookie": post("ctx", "{}", JSON, _cookie(b'a=b; refresh_token="8f1f"; c')),
    "B6 cookie twice": post("ctx", "{}", JSON, _cookie(b"a=1; a=2")),
    "B7 two Cookie lines": post("ctx", "{}", JSON, _cookie(b"a=1"), _cookie(b"b=2")),
    "cookie blanks before the name": post("cookie", '{"name":"b"}', JSON, _cookie(b"a=1;  b=2")),
    "cookie blank after the name": post("cookie", '{"name":"b"}', JSON, _cookie(b"b =2")),
    "cookie blank before the value": post("cookie", '{"name":"b"}', JSON, _cookie(b"b= 2 ; c=3")),
    "cookie tab after the name": post("cookie", '{"name":"b"}', JSON, _cookie(b"b\t=2")),
    "cookie without a name": post("cookie", '{"name":""}', JSON, _cookie(b"; ; =x")),
    "cookie no-break space": post("cookie", '{"name":"b"}', JSON, _cookie("a=1; \xa0b=2".encode())),
    "cookie trailing": post("ctx", "{}", JSON, _cookie(b"a=1;")),
    "cookie trailing blank": post("ctx", "{}", JSON, _cookie(b"a=1; ")),
    "cookie semicolon": post("ctx", "{}", JSON, _cookie(b";")),
    "cookie empty": post("ctx", "{}", JSON, _cookie(b"")),
    "cookie breakers": post("ctx", "{}", JSON, _cookie(b'refresh_token="}\\","x":"')),
    "cookie UTF-8": post("ctx", "{}", JSON, _cookie("a=é".encode())),
    "D40 header twice": post("header", '{"name":"x-dup"}', JSON, (b"x-dup", b"1"), (b"x-dup", b"2")),
    "M6 header UTF-8": post("header", '{"name":"x-l1"}', JSON, (b"x-l1", "é".encode())),
    "header breakers": post("header", '{"name":"x"}', JSON, (b"x", b'a"b\\')),
    "stable": post("ro_stable"),
    "volatile": post("ro_volatile"),
    "timeout": post("timeouts"),
    "timeout of the function": post("timeouts_own"),
    "isolation of the function": post("isolated"),
}

ALL = {**BODIES, **RECIPES, **FAILURES, **RESPONSES, **SHAPES, **ARGUMENTS, **CONTEXT}
