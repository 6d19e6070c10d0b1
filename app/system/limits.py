"""The surroundings of a process: limits that are too low, variables that a platform injects.

`look` reads the limits; `shortfalls` judges them, for `postgate check` and for the log at the start.
"""

import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.events import LimitTooLow, VariablesIgnored
from app.settings import Settings, ignored_variables, variable
from app.system.listeners import BACKLOG

NO_SERVICE_LINKS: Final = (
    "Set enableServiceLinks: false in the pod's specification, or give the service another name."
)
_OTHER_FILES: Final = 64  # listeners, logs, the event loop's own
_STORE_CONNECTIONS: Final = 8  # to the shared store of rate limits: app/auth/limits/stores.py
_THREADS: Final = 16  # of one process: the log, look-ups of names, libraries
_BACKLOG_FILE: Final = Path("/proc/sys/net/core/somaxconn")
_PIDS_FILES: Final = (Path("/sys/fs/cgroup/pids.max"), Path("/sys/fs/cgroup/pids/pids.max"))


@dataclass(frozen=True, slots=True)
class SystemLimits:
    """None: no limit, or it cannot be read here."""

    files: int | None  # open files of one process
    backlog: int | None = None  # connections that a listener may queue
    pids: int | None = None  # processes and threads of this container or service


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A limit that is too low, and its fix: a sentence each."""

    text: str
    fix: str


def look() -> SystemLimits:
    """The limits of this process; for files the hard limit, to which the gateway raises the soft one."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return SystemLimits(
        None if files == resource.RLIM_INFINITY else files,
        _number(_BACKLOG_FILE),
        next((number for file in _PIDS_FILES if (number := _number(file)) is not None), None),
    )


def shortfalls(limits: SystemLimits, settings: Settings) -> list[Shortfall]:
    found = []
    files = files_needed(settings)
    if limits.files is not None and limits.files < files:
        found.append(
            Shortfall(
                f"This process may have {limits.files} files open, and the settings allow connections for "
                f"{files}: it serves {client_connections(limits.files, settings)} clients at a time.",
                f"Raise it (ulimit -n {files}, LimitNOFILE=, or ulimits: in compose), or lower "
                f"{variable('connections')}.",
            )
        )
    if limits.backlog is not None and limits.backlog < BACKLOG:
        found.append(
            Shortfall(
                f"The system queues {limits.backlog} new connections of a listener, and the gateway requests "
                f"{BACKLOG}: at peaks, clients wait a second or more for their next attempt.",
                f"Raise net.core.somaxconn to {BACKLOG} (sysctl -w, or sysctls: in compose).",
            )
        )
    pids = settings.workers * _THREADS
    if limits.pids is not None and limits.pids < pids:
        found.append(
            Shortfall(
                f"This container may have {limits.pids} processes and threads, and {settings.workers} "
                f"workers need {pids}.",
                "Raise it (--pids-limit, pids_limit: in compose, TasksMax=), or lower "
                f"{variable('workers')}.",
            )
        )
    return found


def notices(settings: Settings) -> list[LimitTooLow | VariablesIgnored]:
    """The events about the surroundings of a process that starts to serve."""
    events: list[LimitTooLow | VariablesIgnored] = [
        LimitTooLow(each.text, each.fix) for each in shortfalls(look(), settings)
    ]
    if names := ignored_variables():
        events.append(VariablesIgnored(names, NO_SERVICE_LINKS))
    return events


def files_needed(settings: Settings) -> int:
    """The files of one process, if all connections that its settings allow are open."""
    return settings.connections + _files_beside_clients(settings)


def client_connections(files: int | None, settings: Settings) -> int:
    """How many clients a process serves at a time, so that files are left for their requests.

    Further clients get 503, with a line in the log. Otherwise the event loop would accept such a connection
    and close it at once, without a log line.
    """
    if files is None:
        return settings.connections
    reserved = min(_files_beside_clients(settings), files // 2)
    return max(1, min(settings.connections, files - reserved))


def _files_beside_clients(settings: Settings) -> int:
    upstreams = {settings.postgrest_url, *(route.upstream for route in settings.routes)}
    return (
        settings.upstream_connections * len(upstreams)
        + settings.database_connections
        + 1  # for the revocation listener
        + (0 if settings.rate_limit_storage == "memory" else _STORE_CONNECTIONS)
        + _OTHER_FILES
    )


def _number(file: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(file.read_text(encoding="ascii"))
    return None
