"""HAProxy: the cookie is verified by its own jwt_verify on every request and set as a Bearer."""

from bench.bed import Bed
from bench.peers.peer import Launch, Peer, needs_program, printed_version

_CONFIG = """\
global
  nbthread 1
  maxconn 15000
  no strict-limits
  tune.bufsize 16384

defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 60s
  timeout http-keep-alive 600s
  option http-keep-alive
  http-reuse always

frontend gateway
  bind 127.0.0.1:{port} backlog 4096
  http-request allow if {{ path /rpc/login /rpc/logout /rpc/refresh_token }}
  http-request deny deny_status 400 unless {{ path_beg /rest/ }}
  http-request set-var(txn.token) req.cook(access_token)
  http-request deny deny_status 401 unless {{ var(txn.token) -m found }}
  http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str HS256 }}
  http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify(txn.alg,"{secret}") -m int 1 }}
  http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 unless {{ var(txn.exp),sub(txn.now) -m int gt 0 }}
  http-request set-header Authorization "Bearer %[var(txn.token)]"
  http-request set-path %[path,bytes(5)]
  default_backend postgrest

backend postgrest
  option forwardfor
  server upstream 127.0.0.1:{upstream_port} maxconn 512 pool-max-conn 512
"""


def _launch(bed: Bed, port: int) -> Launch:
    text = _CONFIG.format(port=port, secret=bed.secret, upstream_port=bed.upstream.port)
    config = bed.write("haproxy.cfg", text)
    return Launch(["haproxy", "-db", "-f", str(config)], {})


HAPROXY = Peer(
    name="haproxy",
    title="HAProxy, jwt_verify",
    kind="gateway",
    missing=lambda: needs_program("haproxy", "apt-get install haproxy"),
    version=lambda: printed_version("haproxy", "-v"),
    launch=_launch,
)
