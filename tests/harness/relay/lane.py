"""The proxy lane from end to end: clients on one side, an upstream on the other, the gateway between."""

from dataclasses import dataclass, field

from app.events import InternalFailure
from harness.relay.client import Client, request
from harness.relay.deadlines import wait_until
from harness.relay.gateway import RunningGateway, TransitionUnknown
from harness.relay.upstream import Upstream, UpstreamEnd


@dataclass
class Lane:
    """What one test holds. `finish` closes all of it, and fails if the gateway keeps anything open."""

    gateway: RunningGateway
    upstream: Upstream
    clients: list[Client] = field(default_factory=list)

    def client(self, *, address: str = "127.0.0.1", receive_buffer: int = 0) -> Client:
        client = Client(self.gateway.port, address=address, receive_buffer=receive_buffer)
        self.clients.append(client)
        return client

    def relaying(
        self, data: bytes | None = None, *, client: Client | None = None
    ) -> tuple[Client, UpstreamEnd]:
        """A client that has sent `data` (else a plain GET), and the upstream connection it opened."""
        client = client or self.client()
        client.send(request("GET", "/rest/items") if data is None else data)
        return client, self.upstream.accept()

    def finish(self) -> None:
        for client in self.clients:
            client.reset()
        self.clients.clear()
        wait_until(self._is_quiet, f"the gateway to let everything go; {self.gateway}")
        defects = [event.error for event in self.gateway.events_of(InternalFailure)]
        assert not [defect for defect in defects if isinstance(defect, TransitionUnknown)]

    def _is_quiet(self) -> bool:
        self.upstream.close_connections()
        return self.gateway.is_quiet
