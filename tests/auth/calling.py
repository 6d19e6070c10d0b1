"""The same call by two roads: through the gateway's AuthFunctions, and to a real PostgREST."""

import http.client
import json
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from app.auth.functions import AuthFunctions, FunctionCall
from app.auth.replies import Reply

JSON = b"application/json"
FORM = b"application/x-www-form-urlencoded"
CSV = b"text/csv"
TEXT = b"text/plain"

FIRST_SCHEMA = "auth"  # PostgREST's default, for a request without Content-Profile

# Of the connection, of the server, or of a configuration with several schemas
NOT_COMPARED = frozenset({b"date", b"server", b"transfer-encoding", b"content-profile"})
RESPONSE_SECONDS = 10.0

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """A POST to /rpc/<name>, as it is written on the wire."""

    name: str
    body: bytes = b"{}"
    media: bytes | None = JSON
    headers: Headers = field(default=())
    query: bytes = b""
    schema: str = "auth"

    @property
    def lines(self) -> list[tuple[bytes, bytes]]:
        media = [] if self.media is None else [(b"content-type", self.media)]
        profile = [] if self.schema == FIRST_SCHEMA else [(b"content-profile", self.schema.encode())]
        length = (b"content-length", b"%d" % len(self.body))
        return [(b"host", b"gw.test"), *media, length, *profile, *self.headers]


def post(
    name: str,
    body: bytes | str = b"{}",
    media: bytes | None = JSON,
    *headers: tuple[bytes, bytes],
    query: bytes = b"",
    schema: str = "auth",
) -> Request:
    return Request(name, body if isinstance(body, bytes) else body.encode(), media, headers, query, schema)


async def through_gateway(functions: AuthFunctions, request: Request) -> Reply:
    path = f"/rpc/{quote(request.name, safe='')}"
    call = FunctionCall(request.name, path, request.query, request.lines, request.body)
    return await functions.call(call)


def to_postgrest(url: str, request: Request) -> Reply:
    """The answer of the PostgREST that listens at `unix:/path`, header lines as they came."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(RESPONSE_SECONDS)
    target = f"/rpc/{quote(request.name, safe='')}"
    if request.query:
        target += f"?{request.query.decode()}"
    connection.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.lines:
        connection.putheader(name.decode(), value)
    try:
        connection.sock.connect(url.removeprefix("unix:"))
        connection.endheaders(request.body)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.getheaders()]
    return Reply(answer.status, headers, body)


def told(reply: Reply) -> tuple[int, str | None]:
    """The status, and the code of an error."""
    try:
        error: object = json.loads(reply.body)
    except ValueError:
        return reply.status, None
    return reply.status, error.get("code") if isinstance(error, dict) else None


def comparable(reply: Reply) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """A reply without what differs from one server, one second or one draw of the dice to the next."""
    headers = [
        (name, re.sub(rb"(access_token|refresh_token)=[^;]+", rb"\1=...", value))
        for name, value in reply.headers
        if name.lower() not in NOT_COMPARED
    ]
    body = re.sub(rb'"token":"[^".]+\.[^".]+\.[^".]+"', rb'"token":"..."', reply.body)
    return reply.status, headers, body
