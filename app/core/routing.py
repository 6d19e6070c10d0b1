"""(method, path) -> what answers: an auth function, or a route to an upstream.

Paths are compared byte by byte, prefixes end at a slash, and nothing is folded or decoded: a spelling
that is not exactly a public path falls to the private side, never the reverse.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from app.errors import MethodRefused

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
    authority: bytes  # the upstream's own Host; the client's does not reach it
    policy: Policy = Policy.REQUIRED
    body_bytes: int = 0  # the most a request's body may have; 0: no limit
    websocket: bool = False  # upgrades to WebSocket are let through
    identity: bool = False  # the upstream is told who asks in X-Auth-Subject and X-Auth-Role
    documented: bool = False  # its prefix alone is an OpenAPI document, readable before signing in
    is_document: bool = False  # the public OpenAPI document: strangers see the first schema's only
    strip: bool = False  # take the prefix off, all but its last slash

    def upstream_path(self, path: bytes) -> bytes:
        return path[len(self.prefix) - 1 :] if self.strip else path


@dataclass(frozen=True, slots=True)
class AuthFunction:
    """A function in the auth schema that the gateway itself calls."""

    name: str
    only_named: bool = False  # only when Content-Profile names the auth schema: an API may have its like


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
        self._functions = {
            prefix + name.encode(): AuthFunction(name) for name in functions for prefix in prefixes
        }
        self._account_functions = {
            prefix + name.encode(): AuthFunction(name, only_named=True)
            for name in account_functions
            for prefix in prefixes
        }
        # The OpenAPI document is readable before signing in; a session sees its own role's.
        self._documents = {
            route.prefix: replace(
                route, name=f"{route.name}-openapi", policy=Policy.OPTIONAL, is_document=True
            )
            for route in self._routes
            if route.documented
        }

    def find(self, method: bytes, path: bytes) -> AuthFunction | Route | None:
        """The lane of a request, or None where nothing is. Raises MethodRefused."""
        function = self._functions.get(path)
        if function is not None:
            if method not in {b"POST", b"OPTIONS"}:
                # PostgREST runs them for GET as well: a cross-site <img> could sign people out, and a
                # password in a URL is a password in a log.
                raise MethodRefused(allow=FUNCTION_METHODS)
            return function
        if method == b"POST" and path in self._account_functions:
            return self._account_functions[path]
        document = self._documents.get(path)
        if document is not None and method in {b"GET", b"HEAD"}:
            return document
        return self.route(path)

    def leads(self, method: bytes, path: bytes, route: Route) -> bool:
        """Whether a request takes this route."""
        return path not in self._functions and self.find(method, path) is route

    def route(self, path: bytes) -> Route | None:
        """The route of a path, whatever function of the gateway's has the same name."""
        for route in self._routes:
            if path.startswith(route.prefix):
                return route
        return None
