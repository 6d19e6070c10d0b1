"""A certificate of our own making, and connections that trust it alone."""

import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.relay.deadlines import PATIENCE_SECONDS
from harness.relay.wire import Wire

HOST = "app.example"
CLIENT = "127.0.0.2"  # not the address that the one in front comes from


@dataclass(frozen=True, slots=True)
class Certificate:
    chain: Path
    key: Path
    both: Path  # in one file

    def connect(self, port: int) -> Wire:
        """HTTP/1.1 over TLS, from an address of our own."""
        context = ssl.create_default_context(cafile=str(self.chain))
        context.set_alpn_protocols(["http/1.1"])
        sock = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS, (CLIENT, 0))
        try:
            return Wire(context.wrap_socket(sock, server_hostname=HOST))
        except OSError:
            sock.close()
            raise


def make_certificate(folder: Path) -> Certificate:
    made = Certificate(folder / "crt.pem", folder / "key.pem", folder / "both.pem")
    command = [
        *("openssl", "req", "-x509", "-nodes", "-days", "2"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"),
        *("-keyout", str(made.key), "-out", str(made.chain)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    made.both.write_text(made.chain.read_text() + made.key.read_text())
    return made
