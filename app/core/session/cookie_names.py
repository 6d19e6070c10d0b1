"""What the session's two cookies are called: by SQL, and by clients, where a prefix may stand in front.

Browsers take a `__Host-` cookie from the host itself alone, and over https (RFC 6265bis section 4.1.3.2): a
sibling domain cannot set one.
"""

from typing import Final

HOST_PREFIX: Final = b"__Host-"
# Browsers hold names that begin so to rules, in any case (RFC 6265bis section 5.7): they are left as they are
_PREFIXES: Final = (b"__host-", b"__secure-")

# A browser keeps one cookie for each path: these are the paths on which the known recipes set theirs.
SESSION_PATHS: Final = (b"/rpc/refresh_token", b"/rpc", b"/")


class CookieNames:
    """The names for one kind of client.

    `prefix` stands in front of the names that this client keeps; `other_prefix` in front of those that it
    keeps under the other scheme, which are no credential under this one.
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
        self.sent_access = _under(prefix, access)  # as clients keep and send them
        self.sent_refresh = _under(prefix, refresh)
        sent = {self.sent_access, self.sent_refresh}
        longest = prefix or other_prefix
        spelled = (_under(longest, refresh), _under(longest, access))
        # With a prefix, as kept under either scheme
        self.prefixed = tuple(name for name in spelled if name not in {access, refresh})
        # The other spelling is neither a credential nor passed on: a sibling domain may have set a plain one.
        self.tossed: frozenset[bytes] = frozenset({access, refresh, *self.prefixed} - sent)
        self.accesses = frozenset({access, self.sent_access})
        self.both = self.accesses | {refresh, self.sent_refresh}
        # What SQL may write -> what this client keeps; empty where these are the same
        pairs = ((access, self.sent_access), (refresh, self.sent_refresh))
        self.renamed = {name: new for old, new in pairs if new != old for name in (old, new)}
        self.paths = tuple(dict.fromkeys((b"/rpc/" + refresh_function, *SESSION_PATHS)))
        # No other service may set these: with the prefix too, so that switching it on is safe. In lower case.
        plain = {name.removeprefix(HOST_PREFIX) for name in self.both}
        self.reserved = frozenset(name.lower() for name in self.both | {HOST_PREFIX + name for name in plain})

    @property
    def is_prefixed(self) -> bool:
        return bool(self.renamed)


class ClientCookieNames:
    """The names for clients whose cookies are Secure, and for the others. SQL's are the same in both."""

    def __init__(self, plain: CookieNames, secure: CookieNames) -> None:
        self.plain = plain
        self.secure = secure


def _under(prefix: bytes, name: bytes) -> bytes:
    return name if name.lower().startswith(_PREFIXES) else prefix + name
