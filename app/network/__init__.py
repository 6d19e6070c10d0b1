"""Connections by name: look-ups, connection attempts, and error texts."""

from app.network.dialling import open_socket, open_unix_socket
from app.network.loop import Loop, run
from app.network.words import Unreachable, is_resolver_silent, look_up_failure, words

__all__ = [
    "Loop",
    "Unreachable",
    "is_resolver_silent",
    "look_up_failure",
    "open_socket",
    "open_unix_socket",
    "run",
    "words",
]
