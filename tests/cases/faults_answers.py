"""Faults of what the upstream says."""

import gzip

import pytest
from harness.relay.answers import AnswerCut
from harness.relay.client import request
from harness.relay.deadlines import wait_until
from harness.relay.upstream import OK, answer
from harness.relay.wire import Wire

from cases.stage import Stage, check_cut, check_own_answer, fault, hung_up

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"


@fault("B48")
def hop_by_hop_headers(stage: Stage) -> None:
    fields = ("Connection: X-Secret, close", "X-Secret: 1", "Keep-Alive: timeout=9", "Proxy-Authenticate: x",
              "Upgrade: h2c", "Trailer: X-T")  # fmt: skip
    hints = b"HTTP/1.1 103 Early Hints\r\nConnection: X-Secret\r\nX-Secret: 1\r\n\r\n"
    got = stage.answered(hints + answer(fields=fields))
    assert got.interim == ()
    crossed = {b"x-secret", b"keep-alive", b"proxy-authenticate", b"upgrade", b"trailer", b"connection"}
    assert not crossed & got.head.names
    assert b"X-Secret" not in got.head.raw


@fault("C54")
def a_body_where_none_may_be(stage: Stage) -> None:
    for status in ("204 No Content", "304 Not Modified"):
        got = stage.answered(f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nhello".encode())
        assert (got.status, got.body) == (int(status[:3]), b"")
    for end in stage.lane.upstream.ends:
        end.wait_end()
    stage.check_goes_on()


@fault("C58")
def a_sized_body_cut_short(stage: Stage) -> None:
    for end in (Wire.close, Wire.reset):
        client, upstream = stage.begun(SIZED)
        client.read_more()
        end(upstream)
        check_cut(client)
    client, upstream = stage.begun(SIZED[:20])
    wait_until(lambda: any(c.responded for c in stage.lane.gateway.pool._open), "the first bytes to be read")
    upstream.close()
    check_own_answer(client.answer(), 502)


@fault("C59")
def a_chunked_body_cut_short(stage: Stage) -> None:
    for part in (b"3\r\nabc\r\n", b"3\r\nabc\r\n5\r\n", b"3\r\nabc\r\n0\r\n"):
        client, upstream = stage.begun(CHUNKED + part)
        client.read_more()
        upstream.close()
        check_cut(client)
        assert not bytes(client.received).endswith(b"0\r\n\r\n")


@fault("C60")
def a_bad_chunk_size(stage: Stage) -> None:
    got = stage.answered(CHUNKED + b"zz\r\nsecret\r\n")
    check_own_answer(got, 502)
    assert b"secret" not in got.head.raw + got.body
    stage.check_goes_on()


@fault("C61")
def no_framing(stage: Stage) -> None:
    client, upstream = stage.begun(answer(b"abc", sized=False))
    reader = client.answering()
    assert reader.body_of(3) == b"abc"
    upstream.close()
    got = reader.whole()
    assert (got.status, got.body, got.head.value(b"Transfer-Encoding")) == (200, b"abc", b"chunked")


@fault("C62")
def a_flood_of_interim_answers(stage: Stage) -> None:
    client, upstream = stage.lane.relaying()
    upstream.request()
    with hung_up():
        for _ in range(200):
            upstream.send(b"HTTP/1.1 103 Early Hints\r\nKeep-Alive: 9\r\n\r\n" * 10)
    got = client.answer()
    check_own_answer(got, 502)
    assert got.interim == ()


@fault("C64")
def broken_headers(stage: Stage) -> None:
    for line in (b"X-A: a\x00b", b"X A: 1", b"X-A : 1", b": 1", b"X-A: a\rb"):
        check_own_answer(stage.answered(b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: 0\r\n\r\n" % line), 502)
    check_own_answer(stage.answered(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"), 502)
    folded = stage.answered(b"HTTP/1.1 200 OK\r\nX-A: one\r\n two\r\nContent-Length: 0\r\n\r\n")
    assert folded.status == 502 or folded.head.value(b"X-A") == b"one two"


@fault("C66")
def invalid_status_codes(stage: Stage) -> None:
    for code in (b"9999", b"600", b"999", b"99", b"000", b"0200", b"-1", b"2x0", b""):
        check_own_answer(stage.answered(b"HTTP/1.1 %b X\r\nContent-Length: 0\r\n\r\n" % code), 502)


@fault("C67")
def no_http_at_all(stage: Stage) -> None:
    for said in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"<html>secret</html>", b"\0" * 100,
                 b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/0.9 200 OK\r\n\r\n"):  # fmt: skip
        got = stage.answered(said)
        check_own_answer(got, 502)
        assert b"secret" not in got.body
    for end in stage.lane.upstream.ends:
        end.wait_end()


@fault("C70")
def a_redirect(stage: Stage) -> None:
    with stage.lane.client() as elsewhere:  # any address that would notice a second request
        location = f"http://127.0.0.1:{elsewhere.sock.getpeername()[1]}/rest/followed"
        got = stage.answered(answer(b"", status="302 Found", fields=(f"Location: {location}",)))
    assert (got.status, got.head.value(b"Location")) == (302, location.encode())
    assert all(end.is_quiet for end in stage.lane.upstream.ends)
    assert stage.lane.upstream.nobody_knocks


@fault("C71")
def a_wrong_content_encoding(stage: Stage) -> None:
    for body in (b"not gzip", gzip.compress(b"gzip")):
        got = stage.answered(answer(body, fields=("Content-Encoding: gzip", "Connection: close")))
        assert (got.status, got.body) == (200, body)


@fault("G22")
def its_schema_cache_reloads(stage: Stage) -> None:
    body = b'{"code":"PGRST002","details":null,"hint":null,"message":"Could not query the database"}'
    got = stage.answered(answer(body, status="503 Service Unavailable", fields=("Retry-After: 4",)))
    assert (got.status, got.body, got.head.value(b"Retry-After")) == (503, body, b"4")


@fault("G23")
def it_says_too_much(stage: Stage) -> None:
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    client, upstream = stage.lane.relaying()
    upstream.request()
    upstream.send(OK + forged)
    assert client.answer().body == b"[]"
    upstream.wait_end()
    other, fresh = stage.lane.relaying()
    fresh.request()
    fresh.send(answer(b"own"))
    assert other.answer().body == b"own"
    fresh.send(forged)
    fresh.wait_end()
    stage.check_goes_on()


@fault("G50")
def it_sets_a_cookie(stage: Stage) -> None:
    lane = stage.lane
    got = stage.answered(answer(fields=("Set-Cookie: a=1; Path=/",)))
    assert got.head.value(b"Set-Cookie") == b"a=1; Path=/"
    other = lane.client()
    other.send(request("GET", "/rest/items"))
    assert b"cookie" not in lane.upstream.ends[0].request().head.names


@fault("G54")
def it_fails_after_its_head(stage: Stage) -> None:
    client, upstream = stage.begun(CHUNKED + b"3\r\nabc\r\n")
    client.read_more()
    upstream.send(b'{"code":"57014"}\r\n')
    with pytest.raises(AnswerCut) as cut:
        client.answer()
    assert cut.value.body == b"abc"
