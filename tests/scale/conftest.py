"""What stands around several gateways: a pooler in front of Postgres, a balancer in front of the gateways."""

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

import pytest
from harness.relay.deadlines import wait_until
from harness.site.gateways import new_gateway, start_gateway
from system.conftest import site

from app.devstack import Database, free_port, is_port_free
from app.devstack.accounts import choose_account
from app.devstack.children import Child

__all__ = ["new_gateway", "site", "start_gateway"]

StartPooler = Callable[[Database], AbstractContextManager[str]]
StartBalancer = Callable[[list[int]], AbstractContextManager[str]]

POOLER = """
[databases]
* = host={folder} port=5432 user=gateway
[pgbouncer]
listen_addr =
unix_socket_dir = {own}
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_reset_query_always = 0
ignore_startup_parameters = extra_float_digits
"""

BALANCER = """
global
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  option httpchk GET /ready
  option redispatch
  retries 2
frontend public
  bind 127.0.0.1:{port}
  default_backend gateways
backend gateways
  balance roundrobin
{servers}
"""


def program(name: str) -> str:
    path = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"there is no {name} on this machine")
    return path


@pytest.fixture
def start_pooler(environ: Mapping[str, str], tmp_path: Path) -> Iterator[StartPooler]:
    """PgBouncer in transaction mode; gives the gateway's URL that leads through it."""
    folders: list[Path] = []

    @contextmanager
    def start(database: Database) -> Iterator[str]:
        pgbouncer = program("pgbouncer")
        own = Path(mkdtemp(prefix="pool"))  # a short path: that of a socket has 107 bytes
        folders.append(own)
        settings = own / "pgbouncer.ini"
        settings.write_text(POOLER.format(folder=database.socket_folder, own=own))
        account = choose_account(own, Path(pgbouncer), environ=environ)
        if account is None or account.user_id is not None:
            pytest.skip("PgBouncer refuses root, and there is no other name for it here")
        child = Child(
            [pgbouncer, str(settings)], environ=environ, log=tmp_path / "pooler.log", account=account
        )
        try:
            wait_until((own / ".s.PGSQL.6432").exists, "the pooler to listen")
            yield f"postgresql://gateway@/{database.name}?host={quote(str(own))}&port=6432"
        finally:
            child.stop(signal.SIGKILL)

    yield start
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start_balancer(environ: Mapping[str, str], tmp_path: Path) -> StartBalancer:
    """HAProxy before several gateways, given as pairs of a public and an admin port; gives its URL."""

    @contextmanager
    def start(ports: list[int]) -> Iterator[str]:
        haproxy = program("haproxy")
        port = free_port()
        servers = "\n".join(
            f"  server gateway{number} 127.0.0.1:{public} check port {admin} inter 200ms fall 1 rise 1"
            for number, (public, admin) in enumerate(zip(ports[::2], ports[1::2], strict=True))
        )
        settings = tmp_path / "haproxy.cfg"
        settings.write_text(BALANCER.format(port=port, servers=servers))
        child = Child([haproxy, "-db", "-f", str(settings)], environ=environ, log=tmp_path / "balancer.log")
        try:
            wait_until(lambda: not is_port_free(port), "the balancer to listen")
            yield f"http://127.0.0.1:{port}"
        finally:
            child.stop(signal.SIGKILL)

    return start
