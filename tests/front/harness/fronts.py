"""Debian's nginx, Caddy and HAProxy, run with the very files that docs/front has.

Of a file only what belongs to a machine is put in another's place: addresses, ports and the certificate.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from proxy.harness.deadlines import wait_until

from app.devstack import free_port
from app.devstack.children import Child
from front.harness.service import Service
from front.harness.tls import HOST, Certificate
from system.harness.process import GatewayProcess

FILES = Path(__file__).parents[3] / "docs/front"
PATH = f"{os.defpath}:/usr/local/sbin:/usr/sbin:/sbin"
ATTEMPTS = 5

_NGINX = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include {config};
}}
"""
_CADDY = "{\n\tadmin off\n\tauto_https off\n\tlog {\n\t\tlevel WARN\n\t}\n}\n"


@dataclass(frozen=True, slots=True)
class Ports:
    https: int
    http: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a configuration is to be at home."""

    folder: Path
    certificate: Certificate
    ports: Ports


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    package: str
    changes: Callable[[Place], Mapping[str, str]]
    command: Callable[[Place, str], list[str]]  # of a configuration's text


@dataclass(frozen=True, slots=True)
class Front:
    """One that runs."""

    name: str
    ports: Ports
    child: Child
    certificate: Certificate

    @property
    def origin(self) -> str:
        return f"https://{HOST}:{self.ports.https}"


def _run_nginx(place: Place, text: str) -> list[str]:
    config, main = place.folder / "postgate.conf", place.folder / "nginx.conf"
    config.write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""  # the folder is closed to others
    main.write_text(_NGINX.format(user=user, folder=place.folder, config=config))
    return ["nginx", "-e", "stderr", "-p", str(place.folder), "-c", str(main)]


def _run_caddy(place: Place, text: str) -> list[str]:
    config = place.folder / "Caddyfile"
    config.write_text(_CADDY + text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)]


def _run_haproxy(place: Place, text: str) -> list[str]:
    config = place.folder / "haproxy.cfg"
    config.write_text(text)
    return ["haproxy", "-db", "-f", str(config)]


def _move_nginx(place: Place) -> dict[str, str]:
    return {
        "listen 443 ssl": f"listen 127.0.0.1:{place.ports.https} ssl",
        "listen 80;": f"listen 127.0.0.1:{place.ports.http};",
        "/etc/ssl/app.example.crt": str(place.certificate.chain),
        "/etc/ssl/app.example.key": str(place.certificate.key),
    }


def _move_caddy(place: Place) -> dict[str, str]:
    chain, key = place.certificate.chain, place.certificate.key
    site = f"https://{HOST}:{place.ports.https}"
    return {f"{HOST} {{\n": f"{site} {{\n\tbind 127.0.0.1\n\ttls {chain} {key}\n"}


def _move_haproxy(place: Place) -> dict[str, str]:
    return {
        "bind :443 ssl": f"bind 127.0.0.1:{place.ports.https} ssl",
        "bind :80\n": f"bind 127.0.0.1:{place.ports.http}\n",
        "/etc/haproxy/app.example.pem": str(place.certificate.both),
    }


PROGRAMS = {
    "nginx": Program("nginx", "nginx-light", _move_nginx, _run_nginx),
    "caddy": Program("caddy", "caddy", _move_caddy, _run_caddy),
    "haproxy": Program("haproxy", "haproxy", _move_haproxy, _run_haproxy),
}


@contextmanager
def fronting(
    name: str, file: str, gateway: GatewayProcess, service: Service, folder: Path, certificate: Certificate
) -> Iterator[Front]:
    """Run a program with a file of docs/front, in front of a gateway."""
    program = PROGRAMS[name]
    if shutil.which(name, path=PATH) is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {program.package})")
    folder.mkdir()
    front = _start(program, FILES / file, gateway, service, folder, certificate)
    yield front
    front.child.stop(signal.SIGTERM)


def _start(
    program: Program,
    file: Path,
    gateway: GatewayProcess,
    service: Service,
    folder: Path,
    certificate: Certificate,
) -> Front:
    for _ in range(ATTEMPTS):
        place = Place(folder, certificate, Ports(free_port(), free_port()))
        addresses = {
            "127.0.0.1:8000": f"127.0.0.1:{gateway.port}",
            "127.0.0.1:8001": f"127.0.0.1:{gateway.admin_port}",
            "127.0.0.1:9000": service.address,
        }
        text = file.read_text()
        for written, meant in (addresses | dict(program.changes(place))).items():
            text = text.replace(written, meant)
        command = program.command(place, text)
        environ = {"PATH": PATH, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        child = Child(command, environ=environ, log=folder / "log", death_signal="KILL")
        front = Front(program.name, place.ports, child, certificate)
        wait_until(lambda: not child.is_running() or _listens(front), f"{program.name} to listen")  # noqa: B023
        if child.is_running():
            return front
    raise AssertionError(child.output())


def _listens(front: Front) -> bool:
    try:
        with front.certificate.connect(front.ports.https):
            return True
    except OSError:
        return False
