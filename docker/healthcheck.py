"""Exit 0 if the gateway of this container is ready: its admin listener responds to /ready with 200.

It runs every few seconds, so it imports little.
"""  # noqa: INP001

import socket
import sys

_ADMIN = ("127.0.0.1", 8001)
_SECONDS = 4  # the gateway's own probes take 2 s at most

try:
    with socket.create_connection(_ADMIN, _SECONDS) as connection:
        connection.settimeout(_SECONDS)
        connection.sendall(b"GET /ready HTTP/1.0\r\nHost: localhost\r\n\r\n")
        status_line = connection.recv(1024).partition(b"\r\n")[0]
except OSError as error:
    sys.exit(f"The admin listener is unreachable: {error}")
if b" 200 " not in status_line:
    sys.exit(f"Not ready: {status_line.decode('latin-1')}")
