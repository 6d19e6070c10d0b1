"""The request for an auth function, as far as calling it needs to know."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """What the request said."""

    name: str  # bare function name
    path: str  # as PostgREST would see it: "/rpc/<name>"
    query: bytes  # raw query string
    headers: Sequence[tuple[bytes, bytes]]  # lower-case names, raw values, cookie lines included
    body: bytes
    address: str = ""  # of the client, as far as it is known
    session: str = ""  # of a good access token that came along
    subject: str = ""  # of the same token
    role: str = ""  # of the same token: the caller's, not that of the transaction
    claims: Mapping[str, object] = field(
        default_factory=dict, repr=False
    )  # of the same token; `jti` is a proof

    def header(self, name: bytes) -> bytes | None:
        """The first line of that name: the one PostgREST reads."""
        return next(self.header_lines(name), None)

    def header_lines(self, name: bytes) -> Iterator[bytes]:
        return (value for key, value in self.headers if key == name)
