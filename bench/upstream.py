"""The static upstream: nginx, which responds with 1 kB of JSON and PostgREST's headers.

It replaces PostgREST, so that the gateway is measured and not the database.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from bench.bed import Upstream
from bench.process import Command, free_port, running
from bench.ready import wait_until_ready

BODY_BYTES = 1024
BIG_BYTES = 1 << 30
BIG_PATH = "/big"

_CONFIG = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/upstream.pid;
error_log {folder}/upstream.log crit;
events {{ worker_connections 15000; }}
http {{
  access_log off;
  server_tokens off;
  sendfile on;
  tcp_nodelay on;
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path {folder}/upstream-body;
  proxy_temp_path {folder}/upstream-proxy;
  fastcgi_temp_path {folder}/upstream-fastcgi;
  uwsgi_temp_path {folder}/upstream-uwsgi;
  scgi_temp_path {folder}/upstream-scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    default_type "application/json; charset=utf-8";
    add_header Content-Range "0-0/*";
    add_header Content-Location "/task";
    location = {big_path} {{ alias {folder}/big; }}
    location / {{ return 200 '{body}'; }}
  }}
}}
"""


def _body() -> str:
    start, end = '[{"id":1,"task":"', '"}]'
    return start + "x" * (BODY_BYTES - len(start) - len(end)) + end


@contextlib.contextmanager
def static_upstream(folder: Path, _: str) -> Iterator[Upstream]:
    port = free_port()
    with (folder / "big").open("wb") as big:
        big.truncate(BIG_BYTES)
    config = folder / "upstream.conf"
    # without it, a worker without root rights could not read the private folder
    user = "user root;" if os.geteuid() == 0 else ""
    text = _CONFIG.format(user=user, folder=folder, port=port, big_path=BIG_PATH, body=_body())
    config.write_text(text, encoding="utf-8")
    arguments = ["nginx", "-c", str(config), "-p", str(folder), "-e", str(folder / "upstream.log")]
    command = Command(arguments, {"PATH": f"{os.defpath}:/usr/sbin:/sbin"}, folder)
    with running(command, log=folder / "upstream.log") as child:
        upstream = Upstream("nginx with a fixed response", port)
        wait_until_ready(child, port, upstream.path, {})
        yield upstream
