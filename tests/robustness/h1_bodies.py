"""Bodies that the same lists want refused, and whole requests that they want answered."""

from robustness.h1_requests import (
    BAD,
    CHUNKED,
    CODED,
    GET,
    HELLO,
    HOST,
    POST,
    SIZED,
    TWICE,
    UNKNOWN,
    WHOLE,
    Answered,
    Refused,
    with_field,
    with_line,
)

_WRONG_LENGTHS = (
    b"", b"abc", b"+5", b"-5", b"-0", b"5 5", b"5, 6", b"5,5", b"5;", b"5.0", b"5e0", b"0x5", b"0o5",
    b"5_0", b"0_5", b"5 ", b"5\t", b"five", b"\xb2", b"\xef\xbc\x95", b"5\x00", b"\x0b5", b'"5"',
    b"-123456789" * 3, b"9" * 20, b"9" * 5_000,
)  # fmt: skip
_WRONG_CODINGS = (
    b"", b"identity", b"nonsense", b"xchunked", b"chunkedx", b"chunked;q=1", b"chunked; a=b", b'"chunked"',
    b"chun ked", b"chunked, gzip", b"gzip, chunked", b"gzip", b"chunked, chunked", b"chunked, identity",
    b"identity, chunked", b"\x0bchunked", b"\x0cchunked", b"chunked\x00", b"chunked\x0b", b"\xa0chunked",
    b"chunked\r",
)  # fmt: skip

LENGTHS = (
    *(Refused(f"of {value!r}", SIZED + value + b"\r\n\r\nhello") for value in _WRONG_LENGTHS),
    Refused("two", SIZED + b"5\r\nContent-Length: 6\r\n\r\nhello!"),
    Refused("two, the first 0", SIZED + b"0\r\nContent-Length: 5\r\n\r\nhello"),
    Refused("two, of which one is no number", SIZED + b"5\r\nContent-Length: x\r\n\r\nhello"),
    Refused("folded", POST + b"Content-Length:\r\n 5\r\n\r\nhello"),
)

CODINGS = (
    Refused("chunked and a length", CODED + b"chunked\r\nContent-Length: 5\r\n\r\n" + WHOLE),
    Refused("a length and chunked", SIZED + b"5\r\nTransfer-Encoding: chunked\r\n\r\n" + WHOLE),
    Refused("chunked and a length, with GET", with_field(b"Transfer-Encoding: chunked\r\nContent-Length: 5")),
    Refused(
        "in odd letters, and a length",
        POST + b"tRANSFER-eNCODING: Chunked\r\ncOnTeNt-lEnGtH: 5\r\n\r\n" + WHOLE,
    ),
    *(
        Refused(f"of {value!r}", CODED + value + b"\r\n\r\n" + WHOLE, BAD | UNKNOWN)
        for value in _WRONG_CODINGS
    ),
    Refused("on two lines", CODED + TWICE + b"\r\n" + WHOLE, BAD | UNKNOWN),
    Refused("on two lines, and a length", CODED + TWICE + b"Content-Length: 5\r\n\r\n" + WHOLE),
    Refused("with a blank before the colon", POST + b"Transfer-Encoding : chunked\r\n\r\n" + WHOLE),
    Refused("folded", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + WHOLE),
    Refused("with HTTP/1.0", CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + WHOLE),
)

CHUNKS = tuple(
    Refused(name, CHUNKED + body)
    for name, body in (
        ("a size of no digit", b"z\r\nhello\r\n0\r\n\r\n"),
        ("no size", b"\r\nhello\r\n0\r\n\r\n"),
        ("only an extension", b";a=b\r\nhello\r\n0\r\n\r\n"),
        ("a size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
        ("a size with a plus", b"+5\r\nhello\r\n0\r\n\r\n"),
        ("a size with a minus", b"-5\r\nhello\r\n0\r\n\r\n"),
        ("a size with an underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
        ("a size with a point", b"5.0\r\nhello\r\n0\r\n\r\n"),
        ("a size with a comma", b"5,0\r\nhello\r\n0\r\n\r\n"),
        ("a blank before the size", b" 5\r\nhello\r\n0\r\n\r\n"),
        ("a blank after the size", b"5 \r\nhello\r\n0\r\n\r\n"),
        ("a tab after the size", b"5\t\r\nhello\r\n0\r\n\r\n"),
        ("a size too large for a number", b"f" * 17 + b"\r\nhello\r\n0\r\n\r\n"),
        ("a size that wraps around", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("a bare LF after the size", b"5\nhello\r\n0\r\n\r\n"),
        ("a bare CR after the size", b"5\rhello\r\n0\r\n\r\n"),
        ("nothing after the data", b"5\r\nhello0\r\n\r\n"),
        ("a bare LF after the data", b"5\r\nhello\n0\r\n\r\n"),
        ("a bare CR after the data", b"5\r\nhello\r0\r\n\r\n"),
        ("more data than its size", b"5\r\nhello!!\r\n0\r\n\r\n"),
        ("an extension without a name", b"5;\r\nhello\r\n0\r\n\r\n"),
        ("a NUL in an extension", b"5;a\x00b\r\nhello\r\n0\r\n\r\n"),
        ("a bare CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("a bare LF in an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("a bare LF after the last", b"5\r\nhello\r\n0\n\r\n"),
        ("a bare LF at the end", b"5\r\nhello\r\n0\r\n\n"),
        ("a trailer of no field", b"5\r\nhello\r\n0\r\nno colon\r\n\r\n"),
        ("a length in a trailer", b"5\r\nhello\r\n0\r\nContent-Length: 7\r\n\r\n"),
        ("a trailer with a bare LF", b"5\r\nhello\r\n0\r\nX-Test: 1\n\r\n"),
    )
)

VALID = (
    Answered("GET", GET + HOST + b"\r\n"),
    Answered("an empty line before it", b"\r\n" + GET + HOST + b"\r\n"),
    Answered("no blank after a colon", GET + b"Host:h\r\n\r\n"),
    Answered("a tab after a colon", GET + b"hoSt:\th\r\nempty:\r\n\r\n"),
    Answered("blanks before a value", GET + b"Host: \t h\r\n\r\n"),
    Answered("blanks around a value", with_field(b"X-Test: \t 1 \t ")),
    # The parser takes these, as RFC 9112 section 3 allows; what goes upstream is written anew.
    Answered("two blanks before the target", with_line(b"GET  /open/ HTTP/1.1")),
    Answered("two blanks before the version", with_line(b"GET /open/  HTTP/1.1")),
    Answered("an empty value", with_field(b"X-Empty: ")),
    Answered("bytes beyond ASCII in a value", with_field(b"X-Test: caf\xe9 \x80\xff")),
    Answered("every sign of a token in a name", with_field(b"!#$%&'*+-.^`|~1aZ: 1")),
    Answered("90 fields", GET + HOST + b"X-Test: 1\r\n" * 90 + b"\r\n"),
    Answered("a value of 9 kB", with_field(b"X-Test: " + b"a" * 9_000)),
    Answered("a target of 9 kB", with_line(b"GET /open/" + b"a" * 9_000 + b" HTTP/1.1")),
    Answered("a query of any kind", with_line(b"GET /open/?a=b&c=%2F..%2F&&=;/?:@!$'()*,[]{}|^` HTTP/1.1")),
    Answered("POST", SIZED + b"5\r\n\r\nhello", b"hello"),
    Answered("POST of no length", POST + b"\r\n"),
    Answered("POST of length 0", SIZED + b"0\r\n\r\n"),
    Answered("blanks before a length", SIZED + b" \t5\r\n\r\nhello", b"hello"),
    Answered("zeros before a length", SIZED + b"005\r\n\r\nhello", b"hello"),
    Answered("GET with a body", b"GET /open/ HTTP/1.1\r\n" + HOST + HELLO, b"hello"),
    Answered("DELETE with a body", b"DELETE /open/ HTTP/1.1\r\n" + HOST + HELLO, b"hello"),
    Answered("OPTIONS with a body", b"OPTIONS /open/ HTTP/1.1\r\n" + HOST + HELLO, b"hello"),
    Answered("chunks", CHUNKED + WHOLE, b"hello"),
    Answered("no chunk", CHUNKED + b"0\r\n\r\n"),
    Answered("several chunks", CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world"),
    Answered("a size in upper case", CHUNKED + b"A\r\nhelloworld\r\n0\r\n\r\n", b"helloworld"),
    Answered("zeros before a size", CHUNKED + b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    Answered("a chunk extension", CHUNKED + b'5;a=b;c="d;e"\r\nhello\r\n0;f\r\n\r\n', b"hello"),
    Answered(
        "trailers", CHUNKED + WHOLE[:-2] + b"X-Trailer: 1\r\nHost: other\r\nCookie: a\r\n\r\n", b"hello"
    ),
    Answered("chunked in any case", CODED + b"cHuNkEd\r\n\r\n" + WHOLE, b"hello"),
    Answered("blanks around chunked", CODED + b"\tchunked \r\n\r\n" + WHOLE, b"hello"),
    Answered("another length in disguise", with_field(b"Content_Length: 5")),
    Answered("chunked in disguise", with_field(b"Transfer_Encoding: chunked")),
    Answered("Upgrade that Connection does not name", with_field(b"Upgrade: websocket")),
    Answered("Upgrade to nothing", with_field(b"Connection: Upgrade\r\nUpgrade:")),
    Answered("overlapping ranges", with_field(b"Range: bytes=0-,0-,0-,0-")),
)
