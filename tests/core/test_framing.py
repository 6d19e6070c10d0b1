"""Framing: one way to find a body's end goes upstream, and it is the one that was checked."""

import pytest

from app.core.http.framing import check_framing, check_length, framing_line, opens_websocket
from app.core.http.headers import Header, RequestHeaders
from app.errors import BodyTooLarge, CodingUnsupported, RequestMalformed

CHUNKED = (b"transfer-encoding", b"chunked")
LENGTH = (b"content-length", b"2")
WEBSOCKET = (b"upgrade", b"WebSocket")


def read(*headers: Header) -> RequestHeaders:
    return RequestHeaders(headers)


@pytest.mark.parametrize(
    "coding", [b"chunked", b"Chunked", b"CHUNKED", b",chunked", b" chunked ,", b"\tchunked"]
)
def test_chunked_is_known_in_any_case(coding: bytes) -> None:
    assert check_framing(read((b"transfer-encoding", coding)), "1.1")


@pytest.mark.parametrize(
    "coding", [b"", b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked,chunked", b"chunked;a=b"]
)
def test_no_other_coding_is_known(coding: bytes) -> None:
    with pytest.raises(CodingUnsupported):
        check_framing(read((b"transfer-encoding", coding)), "1.1")


def test_codings_on_several_lines_are_one_list() -> None:
    with pytest.raises(CodingUnsupported):
        check_framing(read((b"transfer-encoding", b"gzip"), CHUNKED), "1.1")


def test_http_1_0_knows_no_coding() -> None:
    with pytest.raises(RequestMalformed):
        check_framing(read(CHUNKED), "1.0")
    assert not check_framing(read(LENGTH), "1.0")


def test_a_request_without_a_coding_is_not_chunked() -> None:
    assert not check_framing(read(), "1.1")
    assert not check_framing(read(LENGTH), "1.1")


def test_one_line_frames_the_body_upstream() -> None:
    assert framing_line(read(), chunked=False) == b""
    assert framing_line(read(LENGTH), chunked=False) == b"content-length: 2\r\n"
    assert framing_line(read(CHUNKED), chunked=True) == b"transfer-encoding: chunked\r\n"
    assert framing_line(read(LENGTH, CHUNKED), chunked=True) == b"transfer-encoding: chunked\r\n"


@pytest.mark.parametrize(
    "length", [b"", b" ", b"-1", b"+1", b"1_0", b"1 0", b"1,1", b"0x1", b"\xb2", b"1" * 19]
)
def test_a_length_is_a_number_that_a_machine_can_hold(length: bytes) -> None:
    with pytest.raises(RequestMalformed):
        check_framing(read((b"content-length", length)), "1.1")


def test_a_length_has_its_limit() -> None:
    for length in (b"0", b"9", b"10", b"0010"):
        check_length(read((b"content-length", length)), 10)
    check_length(read((b"content-length", b"9" * 18)), 0)
    with pytest.raises(BodyTooLarge):
        check_length(read((b"content-length", b"11")), 10)


def test_a_websocket_is_opened_by_a_get_without_a_body() -> None:
    assert opens_websocket(b"GET", "1.1", read(WEBSOCKET))
    assert not opens_websocket(b"POST", "1.1", read(WEBSOCKET))
    assert not opens_websocket(b"GET", "1.0", read(WEBSOCKET))
    assert not opens_websocket(b"GET", "1.1", read())
    assert not opens_websocket(b"GET", "1.1", read((b"upgrade", b"h2c")))
    assert not opens_websocket(b"GET", "1.1", read(WEBSOCKET, LENGTH))
    assert not opens_websocket(b"GET", "1.1", read(WEBSOCKET, CHUNKED))
