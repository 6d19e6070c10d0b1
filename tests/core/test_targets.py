"""Request targets: what is admitted is admitted byte for byte, and means one thing to every reader."""

import re
from contextlib import suppress
from time import perf_counter
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.http.targets import split_target
from app.errors import TargetInvalid

from .properties import tried

ADMITTED = [
    b"/",
    b"/rest/",
    b"/rest/items",
    b"/rest/items/",
    b"/rest/it.ems/.well-known/..hidden/...",
    b"/rest/a-b_c~d!e$f&g'h(i)j*k+l,m;n=o:p@q",
    b"/rest/with%20blank",
    b"/rest/with%20blank/",
    b"/rest/%C3%A9t%c3%a9",
    b"/rest/%e2%80%aesecret",  # A40: bidi control, sent on as it came
    b"/rest/secret%23/rpc/login",  # A28
    b"/rpc/login%3fx=1",  # A29
    b"/rpc/login/%252e%252e/get_secret",  # A37: decoded once it is `%2e%2e`, and nobody here decodes twice
    b"/rpc/%6cogin",  # A19
    b"/%2520",
    b"/app/[id].js",  # what the URL standard leaves as it is, browsers send
    b"/app/[[...slug]]/a|b^c",
    b"/app/%5Bid%5D|%7c",
]

_QUERY = "fragment, blank or control in the query"
REFUSED = [
    (b"", "not origin-form"),  # A51
    (b"*", "not origin-form"),  # A48
    (b"@127.0.0.1:18470/x", "not origin-form"),  # A44
    (b"gw.test:443", "not origin-form"),  # A49
    (b"rest/secret", "not origin-form"),  # A50
    (b"http://gw.test/rest/", "not origin-form"),
    (b"http:http://internal/admin", "not origin-form"),  # A43
    (b"\\rest\\secret", "not origin-form"),
    (b"?/rest/", "not origin-form"),
    (b"/rpc/login/../get_secret", "dot segment"),  # A01
    (b"/rpc/./login", "dot segment"),  # A02
    (b"/rpc/..", "dot segment"),
    (b"/rpc/.", "dot segment"),
    (b"/..", "dot segment"),
    (b"/rpc/login/%2e%2e/get_secret", "dot segment"),
    (b"/rpc/login/.%2E/get_secret", "dot segment"),  # A04
    (b"/rpc/%2e/login", "dot segment"),
    (b"/rpc/login;x=/../../get_secret", "dot segment"),  # A26
    (b"/rpc/login%3fx=/../get_secret", "dot segment"),  # A29
    (b"/rest%2f..%2frpc/get_secret%3fq%23f", "escaped separator or control"),  # A06
    (b"/rest/a%2Fb", "escaped separator or control"),
    (b"/rpc/login%5c..%5cget_secret", "escaped separator or control"),  # A36
    (b"/rpc/login%00.png", "escaped separator or control"),  # A25
    (b"/rpc/login%0a", "escaped separator or control"),  # A24
    (b"/rpc/login%7F", "escaped separator or control"),
    (b"//rpc/login", "empty segment"),  # A07
    (b"//127.0.0.1:1/rpc/login", "empty segment"),  # A08
    (b"/rest//items", "empty segment"),  # A09
    (b"/rest//evil.test/x", "empty segment"),  # A14
    (b"/rest/items//", "empty segment"),
    (b"/rest/%20//", "empty segment"),
    (b"//", "empty segment"),
    (b"/rest/secret#/rpc/login", "illegal byte or escape"),  # A27
    (b"/rest/ secret", "illegal byte or escape"),  # A68
    (b"/rest/a\\b", "illegal byte or escape"),
    (b"/rest/a\x00", "illegal byte or escape"),
    (b"/rest/a\r\nX: 1", "illegal byte or escape"),
    (b"/rest/\x7f", "illegal byte or escape"),
    (b"/rest/\xc3\xa9", "illegal byte or escape"),
    (b'/rest/a"b', "illegal byte or escape"),
    (b"/rest/<b>", "illegal byte or escape"),
    (b"/rest/{a}", "illegal byte or escape"),
    (b"/rest/a`", "illegal byte or escape"),
    (b"/rest/[b]/../c", "dot segment"),
    (b"/rest/[b]//c", "empty segment"),
    (b"/rest/%zz", "illegal byte or escape"),  # A39
    (b"/rest/%4", "illegal byte or escape"),
    (b"/rest/%", "illegal byte or escape"),
    (b"/rest/%%34%31", "illegal byte or escape"),
    (b"/rest/%u0041", "illegal byte or escape"),
    (b"/rest/%+1", "illegal byte or escape"),
    (b"/rpc/%c0%ae%c0%ae/get_secret", "not UTF-8"),  # A38
    (b"/rest/%ff", "not UTF-8"),
    (b"/rest/%ed%a0%80", "not UTF-8"),  # a surrogate
    (b"/rest/items?a=1#b", _QUERY),
    (b"/rest/items?#/rpc/login", _QUERY),
]


@pytest.mark.parametrize("path", ADMITTED)
def test_a_path_with_one_meaning_is_admitted(path: bytes) -> None:
    assert split_target(path) == (path, b"")


@pytest.mark.parametrize(("target", "reason"), REFUSED)
def test_a_target_with_two_readings_is_refused(target: bytes, reason: str) -> None:
    with pytest.raises(TargetInvalid) as refused:
        split_target(target)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "query",
    [
        b"?",
        b"??",
        b"?/rpc/login",  # A31
        b"?/../..//%2f%00",
        b"?id=gt.1&id=lt.9",  # A67
        b"?select=a,b&x=in.(%22a%2Cb%22)&y=eq.1%2B1&z&e=&q=%ff&n=a+b",  # A66
        b'?j=cs.{"a":1}&p=like.*x*&b=\\',
        b'?a[]=1&b=x|y^z`{}\\<>"',  # all that browsers, and others, leave as it is
        b"?bad=%zz&%",
    ],
)
def test_a_query_is_the_upstreams_and_passes_untouched(query: bytes) -> None:
    assert split_target(b"/rest/items" + query) == (b"/rest/items", query)


@pytest.mark.parametrize("byte", [b"\r", b"\n", b"\x00", b" ", b"\t", b"\x7f"])
def test_a_query_cannot_end_the_request_line(byte: bytes) -> None:
    with pytest.raises(TargetInvalid):
        split_target(b"/rest/items?a=%bX-Evil: 1" % byte)


@pytest.mark.parametrize(
    "path", [b"/rest/..;/rpc", b"/rest/.;x=1/rpc", b"/rest/%2e%2e;a/rpc", b"/rest/..%3ba/rpc"]
)
def test_dots_with_a_path_parameter_are_a_dot_segment_to_some_servers(path: bytes) -> None:
    with pytest.raises(TargetInvalid):
        split_target(path)


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        (b"/rest/{a}", "The path contains `{`: send it as %7B."),
        (b"/rest/a b", "The path contains the byte 0x20: send it as %20."),
        (b"/rest/a\\b", "The path contains `\\`: separators and controls are not allowed, even escaped."),
        (b"/rest/\xc3\xa9", "The path contains the byte 0xc3: send it as %C3."),
        (b"/rest/100%", "The path contains a % without two hexadecimal digits: send it as %25."),
        (b"/rest/%zz", "The path contains a % without two hexadecimal digits: send it as %25."),
        (b"/rest/a%2Fb", "The path contains %2F: separators and controls are not allowed, even escaped."),
        (b"/rest/a%C3", "The escapes from %C3 on are not UTF-8."),
        (b"/rest//a", "The path contains an empty segment: `//`."),
        (b"/rest/../a", "The path contains a segment `.` or `..`."),
        (b"/rest/a?b#c", "The query contains `#`: send it as %23."),
    ],
)
def test_a_refusal_says_what_it_is_about(target: bytes, hint: str) -> None:
    with pytest.raises(TargetInvalid) as refused:
        split_target(target)
    assert refused.value.hint == hint


def test_a_path_has_up_to_a_thousand_segments() -> None:
    assert split_target(b"/a" * 1_000)
    for path in (b"/a" * 1_001, b"/%41" * 1_001, b"/.a" * 8_000):
        with pytest.raises(TargetInvalid) as refused:
            split_target(path)
        assert refused.value.reason == "too many segments"


_PIECES = [
    *[
        b"/",
        b"//",
        b"a",
        b".",
        b"..",
        b"?",
        b"#",
        b";",
        b"@",
        b":",
        b"*",
        b"\\",
        b" ",
        b"\r\n",
        b"\xc3\xa9",
        b"[",
        b"|",
    ],
    *b"% %2e %2E %2f %5c %00 %20 %25 %41 %c0 %ae %c3%a9 %zz = &".split(),
]
targets = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from(_PIECES), max_size=12).map(lambda pieces: b"/" + b"".join(pieces)),
)


@tried
@given(targets)
@example(b"/a%20b?c=%0d%0a")
def test_an_admitted_target_is_byte_identical_and_nothing_else_is_raised(target: bytes) -> None:
    with suppress(TargetInvalid):
        assert b"".join(split_target(target)) == target


@tried
@given(targets)
def test_nothing_admitted_decodes_to_something_that_moves_the_path(target: bytes) -> None:
    with suppress(TargetInvalid):
        path, _ = split_target(target)
        assert path.startswith(b"/")
        assert not path.startswith(b"//")
        *segments, last = path[1:].split(b"/")
        assert b"" not in segments
        for segment in (*segments, last):
            decoded = unquote_to_bytes(segment)
            assert decoded not in {b".", b".."}
            assert re.search(rb"[/\\\x00-\x1f\x7f]", decoded) is None
            decoded.decode("utf-8")


@tried
@given(targets)
def test_another_reader_of_an_admitted_target_sees_the_same_path(target: bytes) -> None:
    with suppress(TargetInvalid):
        path, query = split_target(target)
        seen = urlsplit("http://upstream" + target.decode("latin-1"))
        assert (seen.netloc, seen.path) == ("upstream", path.decode("latin-1"))
        assert seen.query == query[1:].decode("latin-1")
        assert seen.fragment == ""


@pytest.mark.parametrize(
    "unit", [b"a", b"/a", b"%41", b"/%41", b".", b"/...", b"/..a", b"a;", b"/a%20", b"%", b"/", b"?"]
)
@pytest.mark.parametrize("end", [b"", b"\x00", b"%", b"/..", b"//"])
def test_the_longest_target_is_read_in_linear_time(unit: bytes, end: bytes) -> None:
    target = b"/" + unit * (16_384 // len(unit)) + end
    assert (
        min(_seconds(target) for _ in range(3)) < 0.2
    )  # some milliseconds; a quadratic reader takes many seconds


def _seconds(target: bytes) -> float:
    began = perf_counter()
    with suppress(TargetInvalid):
        split_target(target)
    return perf_counter() - began
