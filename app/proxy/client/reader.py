"""The bytes of one client as requests: sizes and the state of the connection while it is read.

uvicorn's parser has no cap on a head, nor on what chunks cost besides their bytes.
"""

import httptools

from app.core.http.headers import Header
from app.core.requests import Request
from app.proxy.client.connection import ClientConnection
from app.proxy.client.sizes import RequestSizes
from app.proxy.client.states import BODY, HEAD, IDLE, LAST, RESPONDING, TUNNEL, State
from app.proxy.client.unreadable import unreadable


class RequestReader:
    """One connection's. httptools calls it back, and it calls the connection."""

    __slots__ = ("_connection", "_sizes", "headers", "is_old", "parser", "read", "url")

    def __init__(self, connection: ClientConnection) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""
        self.headers: list[Header] = []
        self.read = b""  # what is being parsed
        self.is_old = False  # the client speaks HTTP/1.0, for this one request
        self._connection = connection
        self._sizes = RequestSizes()

    @property
    def head_bytes(self) -> int:
        """Of the head that is not complete."""
        return self._sizes.head_bytes

    def feed(self, data: bytes) -> None:
        """Parse a read. Raises GatewayError if it is no request or too large, and what a callback raises."""
        before = self._connection.state
        self.read = data
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._take_behind(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            raise (error.__context__ or error) from None  # what a callback raised
        except httptools.HttpParserError as error:
            if self._connection.state is not LAST:  # else what follows the last request is no concern
                raise unreadable(error, data, in_head=self._connection.state is HEAD) from None
        self.read = b""  # or each idle connection keeps what it read last
        self._check_sizes(before, len(data))

    def _take_behind(self, data: bytes) -> None:
        """Take what came behind a head that asked for another protocol."""
        connection = self._connection
        if connection.state is TUNNEL and connection.divert is not None:
            connection.divert(data)
        elif connection.state is BODY or connection.state is RESPONDING:
            connection.state = LAST  # no tunnel: rejected, or ignored and the connection's last

    def _check_sizes(self, before: State, read: int) -> None:
        """Count a read that began in the state `before`. Raises HeadTooLarge."""
        state, limits = self._connection.state, self._connection.limits
        if state is HEAD:
            if before is HEAD:
                self._sizes.add_head(read)
            else:
                self._sizes.begin_head(read)
            self._sizes.check_unfinished_head(len(self.headers), limits)
        elif before is BODY and state is BODY:
            self._sizes.check_framing(read, limits)

    def request(self, request_id: bytes) -> Request:
        """The request whose head is complete, without a trace of the gateway's."""
        parser = self.parser
        return Request(
            parser.get_method(),
            self.url,
            parser.get_http_version(),
            self.headers,
            self._sizes.head_bytes + len(self.read),
            parser.should_upgrade(),
            self._connection.peer,
            request_id,
        )

    def unreadable_request(self, request_id: bytes) -> Request:
        """A request in the place of one whose head never was complete."""
        return Request(b"", self.url, "1.1", [], 0, False, self._connection.peer, request_id)  # noqa: FBT003

    # httptools callbacks; in one read, some may come behind the last request

    def on_message_begin(self) -> None:
        connection = self._connection
        if connection.state is IDLE or connection.state is RESPONDING:
            connection.state = HEAD
            connection.since = connection.clock.now
            self._sizes.begin()
            self.url = b""
            self.headers = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._connection.state is HEAD:  # trailers are dropped (RFC 9110 section 6.5.1)
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        connection = self._connection
        if connection.state is HEAD:
            connection.state = BODY
            self.is_old = self.parser.get_http_version() != "1.1"
            connection.take_head()

    def on_body(self, body: bytes) -> None:
        connection = self._connection
        if connection.state is BODY:
            self._sizes.body_bytes += len(body)
            connection.take_body(body)

    def on_message_complete(self) -> None:
        connection = self._connection
        if connection.state is BODY:
            connection.state = connection.take_end()
