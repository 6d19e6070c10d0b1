"""The programs that are compared, one file each, all started through `bench.peers.peer`."""

from bench.peers.caddy import CADDY, CADDY_JWT, CADDY_JWX
from bench.peers.direct import DIRECT
from bench.peers.envoy import ENVOY
from bench.peers.haproxy import HAPROXY
from bench.peers.nginx import NGINX
from bench.peers.peer import Peer
from bench.peers.postgate import ES256, HS256, POSTGATE, POSTGATE_PLAIN, RENEWAL_OFF, RENEWAL_ON
from bench.peers.relay import RELAY

PEERS: tuple[Peer, ...] = (
    POSTGATE,
    POSTGATE_PLAIN,
    HAPROXY,
    ENVOY,
    CADDY_JWT,
    CADDY_JWX,
    CADDY,
    NGINX,
    RELAY,
    DIRECT,
    RENEWAL_ON,
    RENEWAL_OFF,
    HS256,
    ES256,
)
