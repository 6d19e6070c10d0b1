"""Admission: what a request head has to be, whoever sends it."""

import pytest

from app.errors import (
    BodyTooLarge,
    CodingUnsupported,
    ExpectationFailed,
    GatewayError,
    HeadTooLarge,
    HostInvalid,
    MethodUnknown,
    RequestMalformed,
    TargetTooLong,
    TooEarly,
    VersionUnsupported,
)

from .builders import REST, decide, gateway, refusal, session


@pytest.mark.parametrize("version", ["1.2", "1.9", "2.0", "3.0", ""])
def test_another_version_is_not_spoken(version: str) -> None:  # C40
    refusal(VersionUnsupported, "GET /rest/items", session(), version=version)


def test_a_line_that_names_no_version_is_malformed() -> None:
    refusal(RequestMalformed, "GET /rest/items", session(), version="0.9")


@pytest.mark.parametrize("method", ["DESCRIBE", "SETUP", "TEARDOWN", "PRI", "SOURCE"])
def test_the_methods_of_other_protocols_are_unknown(method: str) -> None:
    refusal(MethodUnknown, f"{method} /rest/items", session())


@pytest.mark.parametrize("host", [None, "", "a@gw.test", "gw.test/x", "gw.test x", "gw.test:99999", "[::1"])
def test_a_request_needs_one_good_host(host: str | None) -> None:  # B20, B23
    refusal(HostInvalid, "GET /rest/items", session(), host=host)


@pytest.mark.parametrize("other", ["evil.test", "gw.test"])
def test_two_hosts_are_one_too_many(other: str) -> None:  # B21
    refusal(HostInvalid, "GET /rest/items", session(), f"Host: {other}")
    refusal(HostInvalid, "GET /rest/items", session(), f"Host: {other}", version="1.0")


def test_only_http_1_0_may_leave_the_host_out() -> None:
    assert decide("GET /rest/items", session(), host=None, version="1.0").lane == REST
    refusal(HostInvalid, "GET /rest/items", session(), host="a@b", version="1.0")


@pytest.mark.parametrize(
    "coding",
    [
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "xchunked",
        "identity",
        "",
        "\x0bchunked",
        '"chunked"',
        "chunked;q=1",
    ],
)
def test_chunked_is_the_only_transfer_coding(coding: str) -> None:  # C14, C16, C17, C18, C19
    refusal(CodingUnsupported, "POST /rest/items", session(), f"Transfer-Encoding: {coding}")


def test_chunked_twice_on_two_lines_is_refused() -> None:
    refusal(CodingUnsupported, "POST /rest/items", session(), *["Transfer-Encoding: chunked"] * 2)


def test_there_is_no_transfer_coding_in_http_1_0() -> None:  # C21
    assert refusal(RequestMalformed, "POST /rest/items", "Transfer-Encoding: chunked", version="1.0").closes


@pytest.mark.parametrize("line", ["POST /rest/items", "POST /rpc/login"])
@pytest.mark.parametrize("expect", ["200-ok", "", "100-continue, 100-continue"])
def test_an_unknown_expectation_fails(line: str, expect: str) -> None:  # C48
    refusal(ExpectationFailed, line, session(), f"Expect: {expect}")


@pytest.mark.parametrize("line", ["POST /rest/items", "POST /rpc/login"])
@pytest.mark.parametrize("expect", ["100-continue", "200-ok"])
def test_http_1_0_expects_nothing(line: str, expect: str) -> None:  # RFC 9110 section 10.1.1
    found = decide(line, session(), f"Expect: {expect}", "Content-Length: 2", version="1.0")
    assert not found.expects_continue


@pytest.mark.parametrize(
    "line", ["POST /rest/items", "DELETE /rest/items", "POST /rpc/login", "POST /rpc/refresh_token"]
)
@pytest.mark.parametrize("value", ["1", "yes"])
def test_early_data_may_be_a_replay_and_changes_nothing(line: str, value: str) -> None:  # B53
    refusal(TooEarly, line, session(), f"Early-Data: {value}")
    assert decide("GET /rest/items", session(), f"Early-Data: {value}").lane == REST


@pytest.mark.parametrize("line", ["POST /rest/items", "POST /rpc/other", "GET /rest/"])
def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_sent(line: str) -> None:
    small = gateway(body_bytes=10)
    refusal(BodyTooLarge, line, session(), "Content-Length: 11", gate=small)
    assert decide(line, session(), "Content-Length: 10", gate=small).token is not None


@pytest.mark.parametrize("length", ["-2", "+2", "0_2", "2 1", "2, 2", "0x2", "²", "", " ", "9" * 5000])
def test_a_length_is_a_number(
    length: str,
) -> None:  # C05, C07, C09, C11, C13, should a parser let one through
    for body_bytes in (0, 10):
        with pytest.raises(GatewayError):
            decide(
                "POST /rest/items",
                session(),
                f"Content-Length: {length}",
                gate=gateway(body_bytes=body_bytes),
            )


def test_a_head_has_bounds() -> None:  # B39, B40
    small = gateway(target_bytes=20, header_count=4, head_bytes=500)
    assert decide("GET /rest/0123456789abcd", session(), gate=small).lane == REST
    refusal(TargetTooLong, "GET /rest/0123456789abcde", session(), gate=small)
    refusal(HeadTooLarge, "GET /rest/", *["X-A: 1"] * 4, gate=small)
    refusal(HeadTooLarge, "GET /rest/", f"X-A: {'a' * 500}", head_bytes=600, gate=small)
    assert decide("GET /rest/", "X-A: a", head_bytes=600, gate=small)  # read together with a body
