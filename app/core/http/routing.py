"""(method, path) -> what answers: an auth function, or a route to an upstream.

Paths are compared byte by byte, prefixes end at a slash, and nothing is folded or decoded: a spelling
that is not exactly a public path falls to the private side, never the reverse. There, what PostgREST would
decode to the name of an auth function is refused: a second spelling would lead around the limits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from urllib.parse import unquote_to_bytes

from app.errors import MethodNotAllowed, TargetInvalid

FUNCTION_METHODS = b"POST, OPTIONS"


class Policy(Enum):
    """Who may pass: with a good credential only, with or without one, or never with one."""

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
    body_bytes: int = 0  # the most a request's body may have; 0: no limit
    websocket: bool = False  # upgrades to WebSocket are let through
    identity: bool = False  # the upstream is told who asks in X-Auth-Subject and X-Auth-Role
    documented: bool = False  # its prefix alone is an OpenAPI document, readable before signing in
    is_document: bool = False  # the public OpenAPI document: strangers see the first schema's only
    strip: bool = False  # take the prefix off, all but its last slash
    passes_host: bool = False  # the upstream gets the client's Host instead of its own
    prefix_line: bytes = b""  # tells the upstream which prefix was taken off
    stall_seconds: float | None = (
        None  # how long an answer may bring nothing; None: as everywhere; 0: for ever
    )
    first_byte_seconds: float | None = None  # how long its first byte may take; likewise

    @property
    def functions_prefix(self) -> bytes:
        """Below it functions of SQL answer; empty where no PostgREST is."""
        return self.prefix + b"rpc/" if self.documented else b""

    def upstream_path(self, path: bytes) -> bytes:
        return path[len(self.prefix) - 1 :] if self.strip else path


@dataclass(frozen=True, slots=True)
class AuthFunction:
    """A function in the auth schema that the gateway itself calls."""

    name: str
    only_named: bool = False  # only when a profile names the auth schema: an API may have its like

    def is_meant(self, method: bytes, schema: bytes, accepted: bytes | None, content: bytes | None) -> bool:
        """Whether PostgREST would look for it in this schema: its namesakes in others are the API's own.

        `accepted` and `content` are the schemas that Accept-Profile (for GET and HEAD) and Content-Profile
        name.
        """
        is_read = method in {b"GET", b"HEAD"}
        profile = accepted if is_read else content
        if self.only_named:
            return profile == schema
        return is_read or profile is None or profile == schema


def check_function_method(method: bytes) -> None:
    """Admit the method of a request for an auth function. Raises MethodNotAllowed.

    PostgREST runs them for GET and HEAD as well: a cross-site <img> could sign people out, and a password in
    a URL is a password in a log.
    """
    if method not in {b"POST", b"OPTIONS"}:
        raise MethodNotAllowed(allow=FUNCTION_METHODS)


class Router:
    """Finds the lane of a request. Built once, asked for every request."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        functions: Iterable[str],
        rpc_prefixes: Iterable[bytes],
        account_functions: Iterable[str] = (),
    ) -> None:
        self._routes = sorted(routes, key=lambda route: len(route.prefix), reverse=True)
        prefixes = tuple(rpc_prefixes)
        named = {name: AuthFunction(name, only_named=True) for name in account_functions}
        named |= {name: AuthFunction(name) for name in functions}
        self._functions = {
            prefix + name.encode(): function for name, function in named.items() for prefix in prefixes
        }
        self._longest = 3 * max(map(len, self._functions), default=0)  # each byte escaped
        # The OpenAPI document is readable before signing in; a session sees its own role's.
        self._documents = {
            route.prefix: replace(
                route, name=f"{route.name}-openapi", policy=Policy.OPTIONAL, is_document=True
            )
            for route in self._routes
            if route.documented
        }

    def find(self, method: bytes, path: bytes) -> AuthFunction | Route | None:
        """The lane of a request, or None where nothing is. Raises MethodNotAllowed."""
        function = self._functions.get(path)
        if function is not None:
            if not function.only_named:
                check_function_method(method)
            return function
        document = self._documents.get(path)
        if document is not None and method in {b"GET", b"HEAD"}:
            return document
        return self.route(path)

    def leads(self, method: bytes, path: bytes, route: Route) -> bool:
        """Whether a request takes this route."""
        return path not in self._functions and self.find(method, path) is route

    def check_spelling(
        self, method: bytes, path: bytes, schema: bytes, accepted: bytes | None, content: bytes | None
    ) -> None:
        """Refuse a path by which PostgREST would call an auth function. Raises TargetInvalid."""
        function = self.disguised(path)
        if function is not None and function.is_meant(method, schema, accepted, content):
            hint = "This is an auth function: write its name without escapes."
            raise TargetInvalid(reason="auth function with escapes", hint=hint)

    def disguised(self, path: bytes) -> AuthFunction | None:
        """The function that PostgREST would find by a path with escapes: it decodes each segment once.

        `path` is checked already, so that its escapes spell no separator (`core/http/targets.py`).
        """
        if b"%" not in path or len(path) > self._longest:
            return None
        return self._functions.get(unquote_to_bytes(path))

    def route(self, path: bytes) -> Route | None:
        """The route of a path, whatever function of the gateway's has the same name."""
        for route in self._routes:
            if path.startswith(route.prefix):
                return route
        return None
