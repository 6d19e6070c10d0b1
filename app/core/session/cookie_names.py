"""The names of the session's two cookies: in SQL, and at clients, where they may have a prefix.

Browsers accept a `__Host-` cookie only from the host itself and over https (RFC 6265bis section 4.1.3.2): a
sibling domain cannot set one.
"""

from typing import Final

HOST_PREFIX: Final = b"__Host-"
# Names with a prefix that browsers already have rules for get no other (RFC 6265bis section 5.7: in any case)
_PREFIXES: Final = (b"__host-", b"__secure-")

# A browser stores one cookie for each path: these are the paths on which the known recipes set theirs.
SESSION_PATHS: Final = (b"/rpc/refresh_token", b"/rpc", b"/")


class CookieNames:
    """The names at clients of one scheme (http or https).

    `prefix` is that of the names at such a client; `other_prefix` is that of the names under the other
    scheme, which are no credentials under this one.
    """

    def __init__(
        self,
        access: bytes,
        refresh: bytes,
        *,
        prefix: bytes = b"",
        other_prefix: bytes = b"",
        refresh_function: bytes = b"refresh_token",
    ) -> None:
        self.access = access  # as SQL writes and reads them
        self.refresh = refresh
        self.sent_access = _under(prefix, access)  # as clients store and send them
        self.sent_refresh = _under(prefix, refresh)
        sent = {self.sent_access, self.sent_refresh}
        longest = prefix or other_prefix
        spelled = (_under(longest, refresh), _under(longest, access))
        # The names with a prefix, under either scheme
        self.prefixed = tuple(name for name in spelled if name not in {access, refresh})
        # Names of the other scheme are dropped: a sibling domain can set one without a prefix (cookie
        # tossing)
        self.tossed: frozenset[bytes] = frozenset({access, refresh, *self.prefixed} - sent)
        self.accesses = frozenset({access, self.sent_access})
        self.both = self.accesses | {refresh, self.sent_refresh}
        # The names that SQL may write -> those at this client; empty where these are the same
        pairs = ((access, self.sent_access), (refresh, self.sent_refresh))
        self.renamed = {name: new for old, new in pairs if new != old for name in (old, new)}
        self.paths = tuple(dict.fromkeys((b"/rpc/" + refresh_function, *SESSION_PATHS)))
        # No other service may set these; with the prefix too, so that enabling it is safe. In lower case
        plain = {name.removeprefix(HOST_PREFIX) for name in self.both}
        self.reserved = frozenset(name.lower() for name in self.both | {HOST_PREFIX + name for name in plain})

    @property
    def is_prefixed(self) -> bool:
        """Whether the names at the client have a prefix."""
        return bool(self.renamed)


class ClientCookieNames:
    """The names at clients whose cookies are Secure, and at the others. In SQL both have the same names."""

    def __init__(self, plain: CookieNames, secure: CookieNames) -> None:
        self.plain = plain
        self.secure = secure


def _under(prefix: bytes, name: bytes) -> bytes:
    return name if name.lower().startswith(_PREFIXES) else prefix + name
