"""Debian's nginx, Caddy and HAProxy, run with the very files that docs/front has.

Of a file only what belongs to a machine is put in another's place: addresses, ports and the certificate.
"""

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.devstack import free_port
from app.devstack.children import Child
from harness.front.tls import HOST, Certificate
from harness.relay.deadlines import wait_until

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


_OLD_PLACES = re.compile(r"[: ](?:80|443|8000|8001|9000)\b|/etc/").search
_COMPLAINTS = re.compile(r"\[(?:error|crit|alert|emerg|ALERT)\]").search  # of nginx and HAProxy

Addresses = Mapping[str, str]  # as they are written in docs/front: where they really are


@dataclass(frozen=True, slots=True)
class Ports:
    https: int
    http: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a configuration is to be at home."""

    folder: Path
    certificate: Certificate
    ports: Ports = Ports(0, 0)


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
def fronting(name: str, text: str, behind: Addresses, place: Place) -> Iterator[Front]:
    """Run a program with the text of a configuration."""
    program = PROGRAMS[name]
    if shutil.which(name, path=PATH) is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {program.package})")
    front = _start(program, text, behind, place)
    try:
        yield front
    finally:
        front.child.stop(signal.SIGTERM)
    complaints = _COMPLAINTS(front.child.output())
    assert complaints is None, front.child.output()


def _start(program: Program, text: str, behind: Addresses, place: Place) -> Front:
    said = ""
    for _ in range(ATTEMPTS):
        place = replace(place, ports=Ports(free_port(), free_port()))
        command = program.command(place, _moved(text, {**behind, **program.changes(place)}))
        environ = {"PATH": PATH, "HOME": str(place.folder), "XDG_DATA_HOME": str(place.folder)}
        child = Child(command, environ=environ, log=place.folder / "log", death_signal="KILL")
        front = Front(program.name, place.ports, child, place.certificate)
        wait_until(lambda: not child.is_running() or _listens(front), f"{program.name} to listen")  # noqa: B023
        if child.is_running():
            return front
        said = child.output()
    raise AssertionError(said)


def _moved(text: str, changes: Mapping[str, str]) -> str:
    """The text with everything in its other place, and nothing left in the old one."""
    for written, meant in changes.items():
        text = text.replace(written, meant)
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    assert not [line for line in lines if _OLD_PLACES(line)]
    return text


def _listens(front: Front) -> bool:
    try:
        with front.certificate.connect(front.ports.https):
            return True
    except OSError:
        return False
