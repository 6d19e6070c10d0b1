"""(method, path) -> an auth function, or a route to an upstream.

Paths are compared byte by byte, prefixes end with a slash, and nothing is decoded or case folded. So any
other spelling of a public path counts as private, never the reverse. A path that PostgREST would decode to
the name of an auth function is rejected: a second spelling would bypass the limits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from urllib.parse import unquote_to_bytes

from app.core.http.octets import holds
from app.errors import MethodNotAllowed, TargetInvalid

FUNCTION_METHODS = b"POST, OPTIONS"
DOCUMENT_METHODS = b"GET, HEAD"
JWKS_PATH = b"/.well-known/jwks.json"
# Paths that PostgREST never gets under the prefix `/`: they are the gateway's, or a well-known URI (RFC 8615)
_NOT_POSTGRESTS = (b"/auth/", b"/.well-known/")


class Policy(Enum):
    """The credential of a route: required, optional, or not read at all."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Route:
    """A path prefix, the upstream behind it and the policy in front of it."""

    name: str
    prefix: bytes  # ends with a slash
    upstream: str
    authority: bytes  # the upstream's own Host
    policy: Policy = Policy.REQUIRED
    body_bytes: int = 0  # the largest request body; 0: no limit
    websocket: bool = False  # upgrades to WebSocket are relayed
    identity: bool = False  # the upstream gets X-Auth-Subject and X-Auth-Role
    documented: bool = False  # PostgREST: the prefix itself is an OpenAPI document, readable by anyone
    is_document: bool = False  # that document; without a credential it is always the first schema's
    strip: bool = False  # remove the prefix, except for its last slash
    passes_host: bool = False  # the upstream gets the client's Host instead of `authority`
    prefix_line: bytes = b""  # X-Forwarded-Prefix with the stripped prefix, as a header line
    stall_seconds: float | None = None  # the longest pause in a response; None: the gateway's; 0: no limit
    first_byte_seconds: float | None = None  # the longest time to its first byte; likewise

    @property
    def functions_prefix(self) -> bytes:
        """The prefix of SQL functions; empty if the upstream is not PostgREST."""
        return self.prefix + b"rpc/" if self.documented else b""

    def upstream_path(self, path: bytes) -> bytes:
        """The path for the upstream."""
        return path[len(self.prefix) - 1 :] if self.strip else path


@dataclass(frozen=True, slots=True)
class AuthFunction:
    """A function of the auth schema, which the gateway calls itself."""

    name: str
    only_named: bool = False  # only if a profile names its schema: an API may have the same name
    schema: bytes = b""  # empty: the auth schema

    def is_meant(self, method: bytes, schema: bytes, accepted: bytes | None, content: bytes | None) -> bool:
        """Whether PostgREST would look for the function in its schema, and not in one of the API.

        `schema` is the auth schema.
        `accepted` and `content` are the values of Accept-Profile (for GET and HEAD) and Content-Profile.
        """
        schema = self.schema or schema
        is_read = method in {b"GET", b"HEAD"}
        profile = accepted if is_read else content
        if self.only_named:
            return profile == schema
        return is_read or profile is None or profile == schema


@dataclass(frozen=True, slots=True)
class OwnDocument:
    """A public document that the gateway itself serves."""

    path: bytes


_DOCUMENTS = {JWKS_PATH: OwnDocument(JWKS_PATH)}


def check_function_method(method: bytes) -> None:
    """Admit the method of a request for an auth function. Raises MethodNotAllowed.

    PostgREST accepts GET and HEAD too: a cross-site <img> could sign users out, and logs would contain
    passwords from URLs.
    """
    if method not in {b"POST", b"OPTIONS"}:
        raise MethodNotAllowed(allow=FUNCTION_METHODS)


def _function(qualified: str, *, only_named: bool = False) -> AuthFunction:
    """A function by its name, with or without a schema."""
    schema, _, name = qualified.rpartition(".")
    return AuthFunction(name, only_named=only_named, schema=schema.encode())


class Router:
    """Finds the lane and the route of each request."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        functions: Iterable[str],
        rpc_prefixes: Iterable[bytes],
        account_functions: Iterable[str] = (),
    ) -> None:
        self._routes = sorted(routes, key=lambda route: len(route.prefix), reverse=True)
        is_everywhere = any(route.documented and route.prefix == b"/" for route in self._routes)
        self._withheld = _NOT_POSTGRESTS if is_everywhere else ()
        prefixes = tuple(rpc_prefixes)
        named = [_function(name, only_named=True) for name in account_functions]
        named += [_function(name) for name in functions]
        self._functions = {
            prefix + function.name.encode(): function for function in named for prefix in prefixes
        }
        self._longest = 3 * max(map(len, self._functions), default=0)  # each byte escaped
        # Anyone may read the OpenAPI document; a signed-in user gets that of the role
        self._documents = {
            route.prefix: replace(
                route, name=f"{route.name}-openapi", policy=Policy.OPTIONAL, is_document=True
            )
            for route in self._routes
            if route.documented
        }

    def find(self, method: bytes, path: bytes) -> AuthFunction | OwnDocument | Route | None:
        """The auth function, document or route of a request; None without one. Raises MethodNotAllowed."""
        function = self._functions.get(path)
        if function is not None:
            if not function.only_named:
                check_function_method(method)
            return function
        own = _DOCUMENTS.get(path)
        if own is not None:
            if method not in {b"GET", b"HEAD"}:
                raise MethodNotAllowed(allow=DOCUMENT_METHODS)
            return own
        document = self._documents.get(path)
        if document is not None and method in {b"GET", b"HEAD"}:
            return document
        return self.route(path)

    def leads(self, method: bytes, path: bytes, route: Route) -> bool:
        """Whether `find` returns this route."""
        return path not in self._functions and self.find(method, path) is route

    def check_spelling(
        self, method: bytes, path: bytes, schema: bytes, accepted: bytes | None, content: bytes | None
    ) -> None:
        """Reject a path with escapes by which PostgREST would call an auth function. Raises TargetInvalid."""
        function = self.find_escaped(path)
        if function is not None and function.is_meant(method, schema, accepted, content):
            hint = "This is an auth function: write its name without escapes."
            raise TargetInvalid(reason="auth function with escapes", hint=hint)

    def find_escaped(self, path: bytes) -> AuthFunction | None:
        """The function that PostgREST finds for a path with escapes, since it decodes each segment once.

        `path` has been checked: it has no escaped separator (`core/http/targets.py`).
        """
        if not holds(path, b"%") or len(path) > self._longest:
            return None
        return self._functions.get(unquote_to_bytes(path))

    def route(self, path: bytes) -> Route | None:
        """The route of a path, ignoring auth functions; None without one."""
        for route in self._routes:
            if path.startswith(route.prefix):
                return None if route.prefix == b"/" and path.startswith(self._withheld) else route
        return None
