"""The process side of a gateway: listening sockets, signals, drain, workers and their supervisor."""

from app.server.serving import serve
from app.system.listeners import PortTaken

__all__ = ["PortTaken", "serve"]
