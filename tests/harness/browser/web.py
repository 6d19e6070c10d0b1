"""A small web on loopback: one server of plain pages under any host name, and one that speaks WebSocket.

Which page is same-site to the gateway, and which is not, is a matter of host names alone. `localhost` is a
public suffix to browsers, so the site of `app.example.localhost` is `example.localhost`, whatever the port.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread

from typing_extensions import override
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

APP = "app.example.localhost"
SIBLING = "evil.example.localhost"  # same-site: the app's cookies are sent there with any request
STRANGER = "evil.localhost"  # cross-site
FRIEND = "friend.example.localhost"
FAR_FRIEND = "friend.localhost"

# Plain http under a name that is not loopback's: browsers send it no Sec-Fetch-Site, only Origin
PLAIN_APP = "app.example.test"
PLAIN_SIBLING = "evil.example.test"

PREFIX = "/pages/"
LIVE = "/live/"
EMPTY = PREFIX + "empty"
TASKS = PREFIX + "tasks"
_PAGES = {
    EMPTY: "<!doctype html><title>Empty</title>",
    # What it asks for stands behind the question mark
    TASKS: """<!doctype html><title>Tasks</title>
<script>
fetch(location.search.slice(1) || "/rest/task").then((answer) => { document.title = answer.status; });
</script>
""",
}


@dataclass
class Pages:
    """The server of pages. Through the gateway they are at its own origin, else at a foreign one."""

    port: int
    _html: dict[str, str] = field(default_factory=lambda: dict(_PAGES))
    _numbers: Iterator[int] = field(default_factory=count)

    def add(self, body: str) -> str:
        """Put a page up, and return its path."""
        path = f"{PREFIX}{next(self._numbers)}"
        self._html[path] = f"<!doctype html><title>Page</title><body>{body}</body>"
        return path

    def find(self, path: str) -> str | None:
        return self._html.get(path)

    def at(self, host: str) -> str:
        """The origin of the pages under a host name."""
        return f"http://{host}:{self.port}"


def form(action: str, fields: dict[str, str], enctype: str) -> str:
    """A plain HTML form with a button."""
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in fields.items()
    )
    return (
        f'<form method="post" action="{escape(action)}" enctype="{enctype}">'
        f"{inputs}<button>Send</button></form>"
    )


@contextmanager
def serve_pages() -> Iterator[Pages]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            html = pages.find(self.path.partition("?")[0])
            self.send_response(HTTPStatus.NOT_FOUND if html is None else HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Cache-Control", "no-cache")
            self.end_headers()
            self.wfile.write((html or "").encode())

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        pages = Pages(server.server_port)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield pages
        server.shutdown()
        thread.join()


@contextmanager
def serve_echo() -> Iterator[int]:
    """A WebSocket server that says back what it is told; its port."""

    def echo(connection: ServerConnection) -> None:
        try:
            for message in connection:
                connection.send(message)
        except ConnectionClosed:
            pass

    with serve(echo, "127.0.0.1", 0, compression=None) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield int(server.socket.getsockname()[1])
        server.shutdown()
        thread.join()
