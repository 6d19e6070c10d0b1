"""Caddy: with the plugin caddy-jwt, as the known recipes use it; with a check by its library; with none.

The check by the library (bench/caddy/check.go) does less than the plugin, for where that is not to be had.
Without any check it does the same work but that: a lower bound for what the recipe costs. bench/install.sh
builds them.
"""

import os
import re
import subprocess
from pathlib import Path

from bench.bed import TOOLS, Bed
from bench.peers.peer import Launch, Peer, printed_version

_CONFIG = """\
{{
  admin off
  auto_https off
  persist_config off
  log {{
    level ERROR
  }}
  servers {{
    timeouts {{
      idle 10m
    }}
  }}
}}
http://127.0.0.1:{port} {{
  bind 127.0.0.1
  @private not path /rpc/login /rpc/logout /rpc/refresh_token
  route @private {{
    {check}
    request_header Authorization "Bearer {{http.request.cookie.access_token}}"
    uri strip_prefix /rest
  }}
  reverse_proxy 127.0.0.1:{upstream_port} {{
    transport http {{
      keepalive_idle_conns_per_host 512
    }}
  }}
}}
"""

_CHECK = """jwtauth {{
      sign_key "{secret_base64}"
      sign_alg HS256
      from_cookies access_token
    }}"""


def _launch(bed: Bed, port: int, program: Path, check: str) -> Launch:
    text = _CONFIG.format(port=port, upstream_port=bed.upstream.port, check=check)
    config = bed.write(f"{program.name}.caddyfile", text)
    arguments = [str(program), "run", "--adapter", "caddyfile", "--config", str(config)]
    home = str(bed.folder)
    return Launch(arguments, {"GOMAXPROCS": "1", "HOME": home, "XDG_DATA_HOME": home})


def _launch_caddy(bed: Bed, port: int) -> Launch:
    return _launch(bed, port, TOOLS / "caddy", "")


def _launch_caddy_jwt(bed: Bed, port: int) -> Launch:
    check = _CHECK.format(secret_base64=bed.secret_base64)
    return _launch(bed, port, _caddy_jwt(), check)


def _launch_caddy_jwx(bed: Bed, port: int) -> Launch:
    return _launch(bed, port, TOOLS / "caddy-jwx", f'jwxauth "{bed.secret_base64}"')


def _missing(program: str) -> str | None:
    if (TOOLS / program).is_file():
        return None
    return f"{program} is not built: bench/install.sh builds it with Go through the module proxy"


def _caddy_jwt() -> Path:
    """A Caddy with the plugin: a ready one that CADDY_JWT names, or the one that bench/install.sh built."""
    named = os.environ.get("CADDY_JWT")  # noqa: TID251 (a bench has no settings)
    return Path(named).resolve() if named else TOOLS / "caddy-jwt"


def _caddy_jwt_missing() -> str | None:
    program = _caddy_jwt()
    if program == TOOLS / "caddy-jwt":
        return _missing("caddy-jwt")
    return None if os.access(program, os.X_OK) else f"CADDY_JWT names {program}, which is no program"


def _version_with_plugin() -> str:
    program = str(_caddy_jwt())
    listed = subprocess.run(
        [program, "list-modules", "--versions"], capture_output=True, text=True, check=False
    ).stdout
    plugin = re.search(r"authentication\.providers\.jwt v(\S+)", listed)
    return f"{printed_version(program, 'version')}, caddy-jwt {plugin[1] if plugin else 'unknown'}"


CADDY = Peer(
    name="caddy",
    title="Caddy, without any check",
    kind="floor",
    missing=lambda: _missing("caddy"),
    version=lambda: printed_version(str(TOOLS / "caddy"), "version"),
    launch=_launch_caddy,
)
CADDY_JWX = Peer(
    name="caddy-jwx",
    title="Caddy + a check with caddy-jwt's library",
    kind="gateway",
    missing=lambda: _missing("caddy-jwx"),
    version=lambda: printed_version(str(TOOLS / "caddy-jwx"), "version"),
    launch=_launch_caddy_jwx,
)
CADDY_JWT = Peer(
    name="caddy-jwt",
    title="Caddy + caddy-jwt",
    kind="gateway",
    missing=_caddy_jwt_missing,
    version=_version_with_plugin,
    launch=_launch_caddy_jwt,
)
