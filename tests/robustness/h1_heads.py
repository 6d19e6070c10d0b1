"""Heads that published lists of HTTP/1.1 checks want refused.

The lists: h1spec of uNetworking, h1spec of dropseed, Http11Probe; and RFC 9110 and 9112, which they quote.
Where they allow several outcomes, this names the gateway's own.
"""

from robustness.h1_requests import (
    BAD,
    GET,
    HELLO,
    HOST,
    LARGE,
    POST,
    UNKNOWN,
    VERSION,
    WHOLE,
    Answered,
    Refused,
    with_field,
    with_line,
)

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"

_WRONG_HOSTS = (
    b"", b"a b", b"a, b", b"user@h", b"h/path", b"h?query", b"h#fragment", b"http://h", b"h:", b"h:99999",
    b"h:80:80", b"h:port", b"[::1", b"::1", b"h\\x", b"<h>",
)  # fmt: skip

REQUEST_LINES = (
    Refused("no version", b"GET /open/ \r\n\r\n"),
    Refused("HTTP/0.9", b"GET /open/\r\n\r\n"),
    Refused("no target", with_line(b"GET HTTP/1.1")),
    Refused("a blank after the version", with_line(b"GET /open/ HTTP/1.1 ")),
    Refused("a blank before the method", with_line(b" GET /open/ HTTP/1.1")),
    Refused("a tab after the method", with_line(b"GET\t/open/ HTTP/1.1")),
    Refused("a tab before the version", with_line(b"GET /open/\tHTTP/1.1")),
    Refused("a blank in the target", with_line(b"GET /open/ x HTTP/1.1")),
    Refused("HTTP/1", with_line(b"GET /open/ HTTP/1")),
    Refused("HTTP/1.", with_line(b"GET /open/ HTTP/1.")),
    Refused("HTTP/01.1", with_line(b"GET /open/ HTTP/01.1")),
    Refused("HTTP/1.01", with_line(b"GET /open/ HTTP/1.01")),
    Refused("HTTP/ 1.1", with_line(b"GET /open/ HTTP/ 1.1")),
    Refused("HTTP/1,1", with_line(b"GET /open/ HTTP/1,1")),
    Refused("http/1.1", with_line(b"GET /open/ http/1.1")),
    Refused("HTTPS/1.1", with_line(b"GET /open/ HTTPS/1.1")),
    Refused("HTTP/1.2", with_line(b"GET /open/ HTTP/1.2"), VERSION),
    Refused("HTTP/2.0", with_line(b"GET /open/ HTTP/2.0"), VERSION),
    Refused("HTTP/9.9", with_line(b"GET /open/ HTTP/9.9"), VERSION),
    Refused("HTTP/0.9 by name", with_line(b"GET /open/ HTTP/0.9"), VERSION),
    Refused("a method in lower case", with_line(b"get /open/ HTTP/1.1"), UNKNOWN),
    Refused("an unknown method", with_line(b"BREW /open/ HTTP/1.1"), UNKNOWN),
    Refused("a method with a prefix", with_line(b"Extra lineGET /open/ HTTP/1.1"), UNKNOWN),
    Refused("a method of no token", with_line(b"G(T /open/ HTTP/1.1")),
    Refused("a method with a NUL", with_line(b"G\x00T /open/ HTTP/1.1")),
    Refused("a method of 100 kB", with_line(b"A" * 100_000 + b" /open/ HTTP/1.1"), BAD | UNKNOWN | LARGE),
    Refused("a target of 100 kB", with_line(b"GET /open/" + b"a" * 100_000 + b" HTTP/1.1"), LARGE),
    Refused("a NUL in the target", with_line(b"GET /open/\x00 HTTP/1.1")),
    Refused("a bell in the target", with_line(b"GET /open/\x07 HTTP/1.1")),
    Refused("a DEL in the target", with_line(b"GET /open/\x7f HTTP/1.1")),
    Refused("bytes beyond ASCII in the target", with_line("GET /open/café HTTP/1.1".encode())),
    Refused("a bare CR at its end", b"GET /open/ HTTP/1.1\r" + HOST + b"\r\n"),
    Refused("a bare LF at its end", b"GET /open/ HTTP/1.1\n" + HOST + b"\r\n"),
    Refused("a CR before the CRLF", b"GET /open/ HTTP/1.1\r\r\n" + HOST + b"\r\n"),
    Refused("only blanks", b"   \r\n\r\n"),
)

# Refused for what they ask, not for how they are written: the connection may stay.
TARGETS = (
    Refused("a fragment", with_line(b"GET /open/#fragment HTTP/1.1")),
    Refused("a fragment in the query", with_line(b"GET /open/?a#fragment HTTP/1.1")),
    Refused("an asterisk with GET", with_line(b"GET * HTTP/1.1")),
    Refused("no slash", with_line(b"GET open/ HTTP/1.1")),
    Refused("an empty segment", with_line(b"GET //open/ HTTP/1.1")),
    Refused("dot segments", with_line(b"GET /open/../rest/items HTTP/1.1")),
    Refused("escaped dot segments", with_line(b"GET /open/%2e%2e/rest/items HTTP/1.1")),
    Refused("a backslash", with_line(b"GET /open/a\\b HTTP/1.1")),
    Refused("an escaped NUL", with_line(b"GET /open/a%00 HTTP/1.1")),
    Refused("an escaped CRLF", with_line(b"GET /open/a%0d%0aX-Injected:%20yes HTTP/1.1")),
    Refused("an overlong escape", with_line(b"GET /open/%c0%af HTTP/1.1")),
    Refused("half an escape", with_line(b"GET /open/%4 HTTP/1.1")),
    Refused("TRACE", with_line(b"TRACE /open/ HTTP/1.1"), frozenset({405})),
    Refused(
        "TRACE with a body",
        b"TRACE /open/ HTTP/1.1\r\n" + HOST + HELLO,
        frozenset({405}),
    ),
    Refused("CONNECT", with_line(b"CONNECT h:443 HTTP/1.1"), frozenset({405})),
    # The lists want these two accepted (RFC 9112 section 3.2); a gateway of one origin has no use for either,
    # and every reader that takes them apart is one more that may differ.
    Refused("the absolute form", with_line(b"GET http://h/open/ HTTP/1.1")),
    Refused("the asterisk form", with_line(b"OPTIONS * HTTP/1.1")),
    Refused("an expectation nobody knows", with_field(b"Expect: 200-ok"), frozenset({417})),
)

OTHER_PROTOCOLS = (
    Refused("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD | UNKNOWN | VERSION),
    Refused("TLS", bytes.fromhex("16030100a5010000a10303") + bytes(range(160))),
    Refused(
        "the PROXY protocol",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + with_line(b"GET /open/ HTTP/1.1"),
        UNKNOWN,
    ),
    Refused("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
    Refused("SMTP", b"EHLO h\r\n", UNKNOWN),
    Refused("RTSP", with_line(b"DESCRIBE /open/ RTSP/1.0"), BAD | UNKNOWN),
    Refused("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BAD | UNKNOWN),
    Refused("garbage", bytes(range(255, 0, -1))),
)

HOSTS = (
    Refused("none", GET + b"\r\n"),
    Refused("none, before its body has come", GET + b"Content-Length: 5\r\n\r\n"),
    Refused("two", GET + HOST + b"Host: other\r\n\r\n"),
    Refused("the same twice", GET + HOST + HOST + b"\r\n"),
    Refused("two in other spelling", GET + HOST + b"hOST: other\r\n\r\n"),
    *(Refused(f"of {value.decode()!r}", GET + b"Host: %b\r\n\r\n" % value) for value in _WRONG_HOSTS),
    Refused("with a NUL", GET + b"Host: a\x00b\r\n\r\n"),
)

FIELDS = (
    Refused("a blank before the colon", with_field(b"X-Test : 1")),
    Refused("a tab before the colon", with_field(b"X-Test\t: 1")),
    Refused("a blank before the colon of the first", GET + b"Host : h\r\n\r\n"),
    Refused("a name with a blank", with_field(b"X Test: 1")),
    Refused("no name", with_field(b": 1")),
    Refused("no colon", with_field(b"X-Test")),
    Refused("a name beyond ASCII", with_field("X-Tëst: 1".encode())),
    *(Refused(f"a name with {chr(byte)}", with_field(b"X%cY: 1" % byte)) for byte in b'[](){}<>@,;\\"/?='),
    Refused("a name with a NUL", with_field(b"X\x00Y: 1")),
    *(
        Refused(f"a value with 0x{byte:02x}", with_field(b"X-Test: a%cb" % byte))
        for byte in b"\x00\x07\x08\x0b\x0c\x1b\x7f"
    ),
    Refused("a bare CR in a value", with_field(b"X-Test: a\rb")),
    Refused("a bare CR and a field in a value", with_field(b"X-Test: a\rX-Other: b")),
    Refused("a bare LF at the end", with_field(b"X-Test: a\nX-Other: b")),
    Refused("a bare LF at the end of all", GET + HOST + b"\n"),
    Refused("a bare CR before the end", GET + HOST + b"\rX-Test: 1\r\n\r\n"),
    Refused("a folded value", with_field(b"X-Test: a\r\n b")),
    Refused("a folded value, with a tab", with_field(b"X-Test: a\r\n\tb")),
    Refused("a folded Host", GET + b"Host:\r\n h\r\n\r\n"),
    Refused("a blank before the first", GET + b" Host: h\r\n\r\n"),
    Refused("a line of a blank before the first", GET + b" \r\n" + HOST + b"\r\n"),
    Refused("101 of them", GET + HOST + b"X-Test: 1\r\n" * 101 + b"\r\n", LARGE),
    Refused("10 000 of them", GET + HOST + b"X-Test: 1\r\n" * 10_000 + b"\r\n", LARGE),
    Refused("a value of 100 kB", with_field(b"X-Test: " + b"a" * 100_000), LARGE),
    Refused("a name of 100 kB", with_field(b"X" * 100_000 + b": 1"), LARGE),
)

UPGRADES = (
    Refused("a WebSocket with POST", POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + HELLO),
    Refused("a WebSocket where none is served", with_field(b"Connection: Upgrade\r\nUpgrade: websocket")),
    # The parser loses what follows such a head: the next request would be read as this one's body.
    Refused("HTTP/2 with a body", POST + H2C + HELLO),
    Refused("HTTP/2 with chunks", POST + H2C + b"Transfer-Encoding: chunked\r\n\r\n" + WHOLE),
)

# A server may ignore an upgrade (RFC 9110 section 7.8). The parser has stopped there, so the answer is the
# connection's last.
IGNORED = (
    Answered("HTTP/2", GET + HOST + H2C + b"\r\n"),
    Answered("HTTP/2 with a length of 0", POST + H2C + b"Content-Length: 0\r\n\r\n"),
    Answered("HTTP/2 in other spelling", GET + HOST + b"CONNECTION: x, UPGRADE\r\nUPGRADE: H2C\r\n\r\n"),
    Answered("TLS", GET + HOST + b"Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n\r\n"),
    Answered("a choice", GET + HOST + b"Connection: Upgrade\r\nUpgrade: h2c, foo/1\r\n\r\n"),
)
