"""Whether this process may open as many files as the settings let clients open connections."""

import resource
from typing import Final

from app.checks.findings import Finding, ok, warning
from app.settings import Settings, variable

_OTHER_FILES: Final = 64  # listeners, logs, the event loop's own


def look() -> int:
    """How many files and sockets each process may have open: the gateway raises its limit when it starts."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def judge(allowed: int, settings: Settings) -> list[Finding]:
    needed = (
        settings.connections + settings.upstream_connections + settings.database_connections + _OTHER_FILES
    )
    if allowed == resource.RLIM_INFINITY or allowed >= needed:
        return [ok("This process may open as many connections as the settings allow.")]
    return [
        warning(
            f"This process may have {allowed} files open, and the settings allow connections for {needed}.",
            f"Raise it (ulimit -n {needed}, LimitNOFILE=, or ulimits: in compose), "
            f"or lower {variable('connections')}.",
        )
    ]
