"""The protocol of the admin listener."""

import asyncio

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.core.http.addresses import own_form


class AdminProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with client addresses in the form of the public listener."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            self.client = own_form(self.client[0]), self.client[1]
