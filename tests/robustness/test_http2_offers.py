"""Clients that offer HTTP/2 on a plain connection are answered in HTTP/1.1, as if they had not: curl does."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from harness.relay.deadlines import PATIENCE_SECONDS
from harness.relay.lane import Lane
from harness.relay.upstream import Upstream, echoing_target

CURL = shutil.which("curl")


def features() -> str:
    if CURL is None:
        return ""
    return subprocess.run([CURL, "--version"], check=True, capture_output=True, text=True).stdout


pytestmark = pytest.mark.skipif("HTTP2" not in features(), reason="no curl that speaks HTTP/2")
SAYS = (
    "--silent",
    "--show-error",
    "--http2",
    "--write-out",
    " %{http_version} %{http_code} %{num_connects}\n",
)


@pytest.fixture
def upstream(lane: Lane) -> Iterator[Upstream]:
    with lane.upstream.serving(echoing_target):
        yield lane.upstream


def curl(lane: Lane, *arguments: str) -> list[str]:
    """What it printed of each answer."""
    assert CURL is not None
    urls = [f"http://127.0.0.1:{lane.gateway.port}{each}" if each[0] == "/" else each for each in arguments]
    done = subprocess.run(
        [CURL, *SAYS, *urls], check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    return done.stdout.splitlines()


def test_curl_is_answered_in_http_1_1(lane: Lane, upstream: Upstream) -> None:
    assert curl(lane, "/open/a") == ["/open/a 1.1 200 1"]
    (received,) = upstream.requests
    assert not {b"upgrade", b"http2-settings", b"connection"} & received.head.names


def test_curl_takes_a_new_connection_for_each_of_several(lane: Lane, upstream: Upstream) -> None:
    wanted = [f"/open/{number}" for number in range(4)]
    assert curl(lane, *wanted) == [f"{target} 1.1 200 1" for target in wanted]
    assert [received.head.target.decode() for received in upstream.requests] == wanted


@pytest.mark.parametrize("method", ["DELETE", "POST", "OPTIONS"])
def test_curl_may_write_without_a_body(lane: Lane, upstream: Upstream, method: str) -> None:
    assert curl(lane, "--request", method, "/open/a") == ["/open/a 1.1 200 1"]
    assert [received.head.method.decode() for received in upstream.requests] == [method]


def test_curl_with_a_body_is_told_not_to_offer_it(lane: Lane, upstream: Upstream) -> None:
    (said,) = curl(lane, "--data", "a=b", "/open/a")
    assert said.endswith(" 1.1 400 1")
    assert "GW112" in said
    assert not upstream.requests
