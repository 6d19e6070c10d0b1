"""No peer at all: the upstream is asked with a Bearer, as a client without cookies would."""

from bench.peers.peer import Peer

DIRECT = Peer(
    name="direct",
    title="PostgREST itself, without any gateway",
    kind="direct",
    missing=lambda: None,
    version=lambda: "",
    launch=None,
)
