"""What a gateway does in a network whose resolver is silent: prints what was measured, as JSON.

Runs in namespaces of its own, where /etc/hosts knows `goodname` and the only DNS server never answers.
"""

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.relay.client import Client, request
from harness.relay.gateway import RunningGateway, running_gateway, settings_for
from harness.relay.tokens import SECRET
from harness.relay.upstream import Upstream, answer_everything

from app.events import RequestRejected, RevocationsDisconnected
from app.network import open_socket, run

CONNECT_SECONDS = 0.5
DEAD_REQUESTS = 12  # libuv has four threads


def ask(gateway: RunningGateway, path: str) -> tuple[int, float]:
    began = time.monotonic()
    with Client(gateway.port) as client:
        client.send(request("GET", path))
        return client.answer().status, time.monotonic() - began


def ready(gateway: RunningGateway) -> bytes:
    with Client(gateway.admin_port) as client:
        client.send(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return client.answer().body


def main() -> dict[str, object]:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind(("127.0.0.77", 53))
    upstream = Upstream()
    settings = settings_for(
        f"http://goodname:{upstream.port}",
        database_url="postgresql://gateway@dead-database.example/app",
        database_seconds=CONNECT_SECONDS,
        routes="/bad/ http://deadname.example:8530 none",
        upstream_connect_seconds=CONNECT_SECONDS,
    )
    with (
        upstream.serving(answer_everything),
        running_gateway(settings) as gateway,
        ThreadPoolExecutor(DEAD_REQUESTS) as pool,
    ):
        dead = [pool.submit(ask, gateway, "/bad/x") for _ in range(DEAD_REQUESTS)]
        good = []
        for _ in range(6):
            good.append(ask(gateway, "/rest/x"))
            time.sleep(CONNECT_SECONDS / 3)  # beyond the time for connecting, with the look-ups still pending
            for connection in list(gateway.pool._idle):
                gateway.loop.call_soon_threadsafe(connection.abandon)
        probe = json.loads(ready(gateway))
        return {
            "good": good,
            "dead": [each.result() for each in dead],
            "reasons": sorted({event.reason for event in gateway.events_of(RequestRejected)}),
            "listener": sorted({event.reason for event in gateway.events_of(RevocationsDisconnected)}),
            "ready": probe,
            "link_local": reach_link_local(),
            **checked(),
        }


def reach_link_local() -> str | None:
    """Who was reached at an address that needs its scope; None where there is no IPv6."""
    if subprocess.run(["ip", "address", "add", "fe80::1/64", "dev", "lo", "nodad"], check=False).returncode:
        return None
    [(*_, address)] = socket.getaddrinfo("fe80::1%lo", 8530, type=socket.SOCK_STREAM)
    with socket.socket(socket.AF_INET6) as server:
        server.bind(address)
        server.listen()

        async def main() -> str:
            with await open_socket("fe80::1%lo", 8530, 5) as connected:
                return str(connected.getpeername()[0])

        return run(main())


def checked() -> dict[str, object]:
    """What `postgate check` says, and how long it takes."""
    environ = {
        "PATH": os.defpath,
        "POSTGATE_DATABASE_URL": "postgresql://gateway@dead-database.example/app",
        "POSTGATE_POSTGREST_URL": "http://127.0.0.1:1",
        "POSTGATE_JWT_SECRET": SECRET,
    }
    began = time.monotonic()
    ran = subprocess.run(
        [Path(sys.executable).with_name("postgate"), "check"], env=environ, capture_output=True, check=False
    )
    return {"check": ran.stdout.decode(), "check_seconds": time.monotonic() - began}


json.dump(main(), sys.stdout)
