"""Error texts of failed connections, for logs, /ready and `postgate check`."""

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from app.network.names import RESOLVER_SILENT, NameNotResolved

_DEPTH: Final = 8
_BY_ERRNO: Final = {
    errno.ECONNREFUSED: "nothing listens at {place}",
    errno.ENOENT: "nothing listens at {place}",
    errno.ENETUNREACH: "no network leads to {place}",
    errno.EHOSTUNREACH: "no network leads to {place}",
    errno.ENETDOWN: "no network leads to {place}",
    errno.EHOSTDOWN: "no network leads to {place}",
    errno.ECONNRESET: "{place} ended the connection",
    errno.ECONNABORTED: "{place} ended the connection",
    errno.EPIPE: "{place} ended the connection",
    errno.EMFILE: "this process may open no more files (ulimit -n)",
    errno.ENFILE: "this system may open no more files (fs.file-max)",
    errno.EACCES: "this user may not use {place}",
    errno.EPERM: "this user may not use {place}",
}


class Unreachable(OSError):
    """A connection failed. The text is the reason, a clause without a full stop."""


def words(error: BaseException, place: str = "its address") -> str:
    """The reason of a connection error, as a clause without a full stop.

    Libraries wrap the system's error; the first known one of the chain counts. Texts of libraries are not
    used, because they may contain a secret. `place` must not contain one.
    """
    return next(filter(None, (_of_one(each, place) for each in _chain(error))), "the connection failed")


def look_up_failure(error: BaseException) -> str:
    """The reason if a look-up failed, else empty."""
    return next((words(each) for each in _chain(error) if isinstance(each, socket.gaierror)), "")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes."""
    seen: BaseException | None = error
    for _ in range(_DEPTH):
        if seen is None:
            return
        if isinstance(seen, BaseExceptionGroup):
            seen = seen.exceptions[0]
            continue
        yield seen
        seen = seen.__cause__ or seen.__context__


def is_resolver_silent(timeout: TimeoutError) -> bool:
    """Whether a look-up of the gateway's loop has timed out."""
    return RESOLVER_SILENT in getattr(timeout.__cause__, "__notes__", ())


def _of_one(error: BaseException, place: str) -> str:
    if isinstance(error, Unreachable):
        return str(error)
    if isinstance(error, NameNotResolved):
        return str(error.strerror)
    if isinstance(error, (socket.gaierror, UnicodeError)):
        is_silent = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
        return f"the resolver has no response for {place}" if is_silent else f"the name {place} is unknown"
    if isinstance(error, ssl.SSLError):
        return "the TLS handshake fails"
    if isinstance(error, TimeoutError):
        return (
            f"{RESOLVER_SILENT} in time" if is_resolver_silent(error) else f"{place} does not respond in time"
        )
    return _of_system(error, place) if isinstance(error, OSError) and error.errno else ""


def _of_system(error: OSError, place: str) -> str:
    known = _BY_ERRNO.get(error.errno or 0)
    return known.format(place=place) if known else f"{place} cannot be used ({os.strerror(error.errno or 0)})"
