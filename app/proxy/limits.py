"""Every bound of the proxy lane, with its unit in its name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    head_bytes: int = 65_536
    header_count: int = 100  # of an upstream's response: requests are counted by the admission
    auth_body_bytes: int = 65_536  # of a call of an auth function
    pipelined_requests: int = 32
    connections: int = 20_000  # of clients, for each process
    address_connections: int = 2_000  # of these, from one address
    half_open_bytes: int = 67_108_864  # of requests that are not whole and not signed in, all together
    idle_seconds: float = 75
    head_seconds: float = 10
    body_stall_seconds: float = 30
    body_bytes_per_second: int = 500  # at least, beyond the time for a stall; 0: any rate
    write_stall_seconds: float = 30
    linger_seconds: float = 2
    linger_bytes: int = 1_048_576
    upstream_connections: int = 256  # for each upstream and process
    upstream_connect_seconds: float = 3
    upstream_first_byte_seconds: float = 60
    upstream_stall_seconds: float = 60
    upstream_idle_seconds: float = 20  # below PostgREST's own 30, so that it is not the one to hang up
    upstream_queue: int = 1_000
    upstream_queue_seconds: float = 5
