"""nginx as the floor: it sets the cookie as a Bearer and relays, and checks nothing."""

import os

from bench.bed import Bed
from bench.peers.peer import Launch, Peer, needs_program, printed_version

_CONFIG = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log crit;
events {{ worker_connections 15000; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  upstream postgrest {{
    server 127.0.0.1:{upstream_port};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    location /rpc/ {{ proxy_pass http://postgrest; }}
    location /rest/ {{
      proxy_pass http://postgrest/;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header Authorization "Bearer $cookie_access_token";
    }}
  }}
}}
"""


def _launch(bed: Bed, port: int) -> Launch:
    user = "user root;" if os.geteuid() == 0 else ""
    text = _CONFIG.format(user=user, folder=bed.folder, port=port, upstream_port=bed.upstream.port)
    config = bed.write("nginx.conf", text)
    log = str(bed.folder / "nginx.log")
    return Launch(["nginx", "-c", str(config), "-p", str(bed.folder), "-e", log], {})


NGINX = Peer(
    name="nginx",
    title="nginx, without any check",
    kind="floor",
    missing=lambda: needs_program("nginx", "apt-get install nginx"),
    version=lambda: printed_version("nginx", "-v"),
    launch=_launch,
)
