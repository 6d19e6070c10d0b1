"""One request for an auth function: the data that the call needs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function's name and the request that calls it.

    `session`, `subject`, `role` and `claims` are those of the request's valid access token; empty without
    one.
    """

    name: str  # without the schema
    path: str  # as PostgREST gets it: "/rpc/<name>"
    query: bytes  # raw query string
    headers: Sequence[tuple[bytes, bytes]]  # lower-case names, raw values, Cookie lines included
    body: bytes
    address: str = ""  # of the client; empty: unknown
    session: str = ""
    subject: str = ""
    role: str = ""  # of the caller, not of the transaction
    schema: str = ""  # empty: the auth schema
    is_page: bool = False  # a browser sent it, for a page
    claims: Mapping[str, object] = field(default_factory=dict, repr=False)  # `jti` is a secret: not in repr

    def header(self, name: bytes) -> bytes | None:
        """The value of the first line with this lower-case name, which PostgREST reads; None without one."""
        return next(self.header_lines(name), None)

    def header_lines(self, name: bytes) -> Iterator[bytes]:
        """The values of all lines with this lower-case name, in order."""
        return (value for key, value in self.headers if key == name)
