"""The log line of a relayed request, formatted in one step, because every request may have one.

A logger's chain of processors costs about as much as the relay itself. Values from outside are escaped as
JSON; the format is that of the other lines.
"""

from json.encoder import encode_basestring_ascii
from time import gmtime, strftime, time
from typing import Final

from app.events import RequestRelayed

_CACHED: Final = 4_096
_LINE: Final = (
    b'{"time":"%b%03dZ","level":"info","event":"request_relayed","request_id":%b,"client":%b,"method":%b,'
    b'"path":%b,"route":%b,"status":%d,"bytes_in":%d,"bytes_out":%d,"seconds":%.6f,"upstream_seconds":%.6f,'
    b'%b,"trace_id":%b}\n'
)


class RequestLines:
    """Formats lines, and caches repeated parts: identity, client address and second."""

    def __init__(self) -> None:
        self._second = 0
        self._stamp = b""
        self._texts: dict[str | bytes | None, bytes] = {}
        self._identities: dict[tuple[str | None, str | None, str | None], bytes] = {}

    def line(self, event: RequestRelayed) -> bytes:
        now = time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = strftime("%Y-%m-%dT%H:%M:%S.", gmtime(second)).encode()
        who = (event.role, event.subject, event.session)
        identity = self._identities.get(who)
        if identity is None:
            identity = self._identify(who)
        trace = event.trace
        return _LINE % (
            self._stamp,
            int((now - second) * 1000),
            quoted(event.request_id),
            self._known(event.client),
            self._known(event.method),
            quoted(event.path),
            self._known(event.route),
            event.status,
            event.request_bytes,
            event.response_bytes,
            event.seconds,
            event.upstream_seconds,
            identity,
            quoted(trace[3:35]) if trace else b"null",
        )

    def _known(self, value: str | bytes) -> bytes:
        text = self._texts.get(value)
        if text is None:
            if len(self._texts) >= _CACHED:
                self._texts.clear()
            text = self._texts[value] = quoted(value)
        return text

    def _identify(self, who: tuple[str | None, str | None, str | None]) -> bytes:
        if len(self._identities) >= _CACHED:
            self._identities.clear()
        identity = self._identities[who] = b'"role":%b,"subject":%b,"session":%b' % (
            *(b"null" if value is None else quoted(value) for value in who),
        )
        return identity


def quoted(value: str | bytes) -> bytes:
    """A JSON string in ASCII. Bytes are read as Latin-1."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return encode_basestring_ascii(value).encode()
