"""Response headers: what is said to this hop ends here, the rest goes on as it was written."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.http.headers import Header
from app.core.relay import response_headers
from app.core.relay.response_headers import ResponseHeaders

from .properties import tried

NOT_FORWARDED = [
    b"Connection",
    b"Content-Length",
    b"Transfer-Encoding",
    b"Keep-Alive",
    b"Proxy-Connection",
    b"Proxy-Authenticate",
    b"Proxy-Authentication-Info",
    b"Proxy-Authorization",
    b"TE",
    b"Trailer",
    b"Upgrade",
    b"X-Request-Id",
    b"Access-Control-Allow-Origin",
    b"Access-Control-Allow-Credentials",
    b"Access-Control-Expose-Headers",
    b"Access-Control-Anything-New",
    b"Server",
    b"X-Powered-By",
]
PASSING = [
    b"Cache-Control",
    b"Content-Type",
    b"Content-Range",
    b"Content-Location",
    b"Content-Profile",
    b"Content-Encoding",
    b"Location",
    b"Preference-Applied",
    b"Proxy-Status",  # end-to-end (RFC 9209); PostgREST tells its error code in it
    b"Server-Timing",
    b"Set-Cookie",
    b"Vary",
    b"WWW-Authenticate",
    b"X_Custom",
]


def lines(*headers: Header) -> list[bytes]:
    return ResponseHeaders(headers).lines


@pytest.mark.parametrize("name", NOT_FORWARDED)
@pytest.mark.parametrize("case", [bytes.title, bytes.lower, bytes.upper])
def test_a_field_for_this_hop_does_not_reach_the_client(name: bytes, case: Callable[[bytes], bytes]) -> None:
    assert lines((b"X-A", b"1"), (case(name), b"keep-alive"), (b"X-B", b"2")) == [
        b"X-A: 1\r\n",
        b"X-B: 2\r\n",
    ]


@pytest.mark.parametrize("name", PASSING)
def test_any_other_field_reaches_the_client_as_it_was_written(name: bytes) -> None:
    assert lines((name, b" 0-24/*\t\xff")) == [name + b":  0-24/*\t\xff\r\n"]


def test_duplicates_stay_and_stay_in_order() -> None:
    sent = [
        (b"Set-Cookie", b"b=2"),
        (b"Content-Type", b"a"),
        (b"Set-Cookie", b"a=1"),
        (b"Content-Type", b"b"),
    ]
    assert lines(*sent) == [name + b": " + value + b"\r\n" for name, value in sent]


def test_what_connection_names_ends_here_on_the_way_back() -> None:  # B48
    answered = [
        (b"Connection", b"X-Secret, close"),
        (b"X-Secret", b"1"),
        (b"Keep-Alive", b"timeout=9"),
        (b"Proxy-Authenticate", b"x"),
        (b"X-Open", b"2"),
        (b"CONNECTION", b" content-profile"),
        (b"x-sECRET", b"3"),
        (b"Content-Profile", b"api"),
    ]
    assert lines(*answered) == [b"X-Open: 2\r\n"]


@pytest.mark.parametrize(
    ("connection", "closes"),
    [(b"close", True), (b"Close", True), (b"keep-alive, CLOSE", True), (b"keep-alive", False), (b"", False)],
)
def test_the_upstream_says_whether_it_closes(connection: bytes, closes: bool) -> None:  # noqa: FBT001
    assert ResponseHeaders([(b"Connection", connection)]).closes is closes


def test_framing_is_read_in_any_case() -> None:
    read = ResponseHeaders([(b"content-LENGTH", b"12"), (b"TRANSFER-encoding", b"Chunked")])
    assert (read.content_length, read.transfer_encoding) == (b"12", b"chunked")
    several = [(b"Transfer-Encoding", b"gzip"), (b"Transfer-Encoding", b"chunked")]
    assert ResponseHeaders(several).transfer_encoding == b"gzip,chunked"
    assert ResponseHeaders([]).content_length is ResponseHeaders([]).transfer_encoding is None


@pytest.mark.parametrize("name", [b"Cache-Control", b"cache-control", b"CACHE-CONTROL"])
def test_what_the_upstream_says_about_caching_is_seen_and_goes_on(name: bytes) -> None:  # B51
    read = ResponseHeaders([(name, b"no-store")])
    assert read.has_cache_control
    assert read.lines == [name + b": no-store\r\n"]


@pytest.mark.parametrize("name", [b"Vary", b"Expires", b"X-Cache-Control", b"Surrogate-Control", b"Pragma"])
def test_no_other_field_says_anything_about_caching(name: bytes) -> None:
    assert not ResponseHeaders([(name, b"no-store")]).has_cache_control
    assert not ResponseHeaders([]).has_cache_control


def test_a_word_about_caching_that_ends_here_was_not_said_to_the_client() -> None:
    assert not ResponseHeaders(
        [(b"Cache-Control", b"no-store"), (b"Connection", b"cache-control")]
    ).has_cache_control


def test_connection_cannot_name_the_framing_away() -> None:
    read = ResponseHeaders([(b"Connection", b"content-length"), (b"Content-Length", b"12")])
    assert read.content_length == b"12"


def test_the_memory_of_names_is_bounded_in_number_and_in_length(monkeypatch: pytest.MonkeyPatch) -> None:
    memory: dict[bytes, int] = {}
    monkeypatch.setattr(response_headers, "_cached_kinds", memory)
    lines((b"x" * 65, b"1"))
    assert not memory
    lines(*((b"x-%d" % number, b"1") for number in range(3000)))
    assert len(memory) <= 1024


NAMES = NOT_FORWARDED + PASSING


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[Header], set[bytes]]:
    cases = st.sampled_from([bytes.lower, bytes.upper, bytes.title])
    drawn = draw(
        st.lists(
            st.tuples(st.sampled_from(NAMES[1:]), cases, st.sampled_from([b"", b"1", b"a, b"])), max_size=10
        )
    )
    headers = [(case(name), value) for name, case, value in drawn]
    nominated = set(draw(st.lists(st.sampled_from(NAMES), max_size=3)))
    nominated.update(name for name, _, _ in drawn if draw(st.booleans()))
    spelled = b" ,\t".join(draw(cases)(name) for name in sorted(nominated))
    headers.insert(draw(st.integers(0, len(headers))), (b"Connection", spelled))
    return headers, {name.lower() for name in nominated}


@tried
@given(answers())
def test_whatever_the_answer_only_fields_that_may_pass_do_in_their_order(
    answer: tuple[list[Header], set[bytes]],
) -> None:
    headers, nominated = answer
    passing = {name.lower() for name in PASSING} - nominated
    assert lines(*headers) == [
        name + b": " + value + b"\r\n" for name, value in headers if name.lower() in passing
    ]


@tried
@given(answers())
def test_filtering_twice_is_filtering_once(answer: tuple[list[Header], set[bytes]]) -> None:
    once = lines(*answer[0])
    again = [line.removesuffix(b"\r\n").partition(b": ") for line in once]
    assert lines(*[(name, value) for name, _, value in again]) == once
