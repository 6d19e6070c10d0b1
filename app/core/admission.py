"""The one place that decides: a request head is admitted to a lane, or rejected with an error.

`Admission.decide` makes all checks in order, on the bytes as received. The head for the upstream is made of
the checked values. Pure: the clock and the peer are arguments.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.core.authenticators import AUTHENTICATORS, Authenticator, Undecided
from app.core.facts import Facts
from app.core.http.forwarding import Client, TrustedProxies
from app.core.http.framing import (
    check_framing,
    check_length,
    check_line,
    check_size,
    ignores_upgrade,
    opens_websocket,
)
from app.core.http.headers import Header, RequestHeaders
from app.core.http.hosts import check_host
from app.core.http.origins import SAFE_METHODS, Origins
from app.core.http.own_origin import check_own_origin
from app.core.http.protection import Protection
from app.core.http.routing import (
    FUNCTION_METHODS,
    AuthFunction,
    OwnDocument,
    Policy,
    Route,
    Router,
    check_function_method,
)
from app.core.http.targets import split_target
from app.core.relay.upstream_head import upstream_head
from app.core.requests import Admitted, Options, Request
from app.core.session.cookie_names import ClientCookieNames, CookieNames
from app.core.session.cookies import NO_COOKIES, clear_session, read_session
from app.core.session.sign_in import redirect_to_sign_in
from app.core.tokens.credentials import bearer, browser_authenticates, drop_published
from app.core.tokens.verify import TokenVerifier, VerifiedToken
from app.errors import (
    CookieAmbiguous,
    CredentialMissing,
    ExpectationFailed,
    Headers,
    RouteUnknown,
    TokenRejected,
    TooEarly,
    UpgradeRejected,
)


@dataclass(frozen=True, slots=True)
class Admission:
    """The gateway's rules, as its settings define them."""

    router: Router
    verifier: TokenVerifier
    origins: Origins
    proxies: TrustedProxies
    cookies: ClientCookieNames
    auth_schema: bytes
    secure_cookies: bool | None = None  # None: for clients that use https
    published_key: bytes = b""  # as a Bearer token it is no credential; empty: there is none
    login_url: bytes = b""  # the sign-in page for browsers that navigate; empty: no redirect
    renews: bool = False  # renew a session whose access cookie has expired
    target_bytes: int = 16_384
    header_count: int = 100
    head_bytes: int = 65_536
    protection: Protection = field(default_factory=Protection)
    authenticators: tuple[Authenticator, ...] = AUTHENTICATORS

    def decide(self, request: Request, now: float, renewed: bytes | None = None) -> Admitted:
        """Admit a request at `now` (seconds since the epoch), or raise a GatewayError.

        `renewed` is the access token from a renewal; empty: the session is over; None: none was attempted.
        """
        check_line(request.method, request.version)
        most = (self.target_bytes, self.header_count, self.head_bytes)
        check_size(request.target, request.headers, request.head_bytes, *most)
        read = drop_published(RequestHeaders(request.headers), self.published_key)
        check_host(read.host, read.host_count, request.version)
        chunked = check_framing(read, request.version)
        if request.upgrade and ignores_upgrade(read, chunked=chunked):
            request = request._replace(upgrade=False)
        path, query = split_target(request.target)
        client = self.proxies.find(request.peer, read, request.version)
        if (preflight := self._preflight(request.method, read, path)) is not None:
            return _handled(preflight, client, request, read, path)
        if request.version == "1.0":
            read.expect = None  # an HTTP/1.0 expectation is ignored (RFC 9110 section 10.1.1)
        if read.expect is not None and read.expect.lower() != b"100-continue":
            raise ExpectationFailed
        if read.early_data and request.method not in SAFE_METHODS:
            raise TooEarly  # it may be a replay (RFC 8470 section 5.2)
        lane = self.router.find(request.method, path)
        if isinstance(lane, AuthFunction):
            if lane.is_meant(request.method, self.auth_schema, read.accept_schema, read.content_profile):
                return self._admit_function(lane, request, read, client, path)
            lane = self.router.route(path)
        elif isinstance(lane, OwnDocument):
            return _handled(lane, client, request, read, path)
        cookies = read_session(read.cookie, self.names(client)) if read.cookie else NO_COOKIES
        if renewed:
            cookies = cookies._replace(access=renewed)
        return self._admit_relay(
            lane, Facts(request, read, client, path, query, chunked, cookies, now), renewed
        )

    def _preflight(self, method: bytes, read: RequestHeaders, path: bytes) -> Options | None:
        """The response to a CORS preflight, unless the upstream makes it."""
        if not read.preflight_method or method != b"OPTIONS" or read.origin is None:
            return None
        route = self.router.find(method, path)
        if isinstance(route, Route) and route.policy is Policy.NONE:
            return None
        return Options(self.origins.preflight(read.origin, read.preflight_headers))

    def _admit_function(
        self, function: AuthFunction, request: Request, read: RequestHeaders, client: Client, path: bytes
    ) -> Admitted:
        if request.method == b"OPTIONS":
            return _handled(Options([(b"Allow", FUNCTION_METHODS)]), client, request, read, path)
        check_function_method(request.method)
        if request.upgrade:
            raise UpgradeRejected
        self._check_origin(read, client)
        if read.cookie and read_session(read.cookie, self.names(client)).ambiguous:
            raise CookieAmbiguous(headers=self._clearing(client))
        admitted = _handled(function, client, request, read, path)
        return admitted._replace(expects_continue=read.expect is not None)

    def _admit_relay(self, route: Route | None, facts: Facts, renewed: bytes | None) -> Admitted:
        policy = route.policy if route is not None else Policy.REQUIRED
        refresh = self._renewable(policy, facts) if renewed is None else None
        request, read = facts.request, facts.read
        token, undecided, is_stale = None, None, False
        try:
            token = self._authenticate(policy, facts) if policy is not Policy.NONE else None
        except Undecided as waiting:  # another name than below: mypyc gives one name one type
            undecided = waiting.token
        except (CredentialMissing, TokenRejected) as error:
            is_stale = isinstance(error, TokenRejected)
            if policy is Policy.REQUIRED and (route is None or refresh is None):
                redirect_to_sign_in(self.login_url, request.method, request.target, request.headers)
                raise
            if is_stale and not facts.cookies.access:
                raise  # browsers add a cookie by themselves; a bad Bearer is rejected, as PostgREST does
        if route is None:
            raise RouteUnknown if undecided is None else TokenRejected(reason="issuer: undecided")
        self._check_call(route, request.method, facts.path, read)
        if request.upgrade or request.method not in SAFE_METHODS:
            self._check_unsafe(route, facts)
            if token is None and refresh is None and policy is Policy.OPTIONAL:
                self._check_unsigned(facts.client, is_over=renewed is not None, is_stale=is_stale)
        return Admitted(
            route,
            facts.client,
            read.origin,
            token,
            b"" if token is None and (refresh or undecided) else upstream_head(route, facts, token),
            facts.path,
            *_traces(request, read),
            sized=read.content_length is not None and read.content_length != b"0",
            chunked=facts.chunked,
            expects_continue=read.expect is not None,
            upgrades=request.upgrade,
            refresh=refresh if token is None else None,
            undecided=undecided,
        )

    def _check_call(self, route: Route, method: bytes, path: bytes, read: RequestHeaders) -> None:
        schema, content = self.auth_schema, read.content_profile
        self.router.check_spelling(method, path, schema, read.accept_schema, content)
        check_length(read, route.body_bytes)

    def _renewable(self, policy: Policy, facts: Facts) -> bytes | None:
        """The refresh token that may replace an expired or missing access cookie, but no other credential."""
        cookies = facts.cookies
        if not self.renews or not cookies.refresh or cookies.ambiguous or policy is Policy.NONE:
            return None
        return cookies.refresh if cookies.access or bearer(facts.read.authorization) is None else None

    def _check_unsafe(self, route: Route, facts: Facts) -> None:
        """Reject an upgrade that is no WebSocket handshake, and a cross-site request with credentials."""
        request, read = facts.request, facts.read
        if request.upgrade and not (
            route.websocket and opens_websocket(request.method, request.version, read)
        ):
            raise UpgradeRejected
        if route.policy is not Policy.NONE and browser_authenticates(read):
            # WebSockets too: a page of any origin can open one with this origin's cookies (RFC 6455, 10.2)
            self._check_origin(read, facts.client)

    def _check_unsigned(self, client: Client, *, is_over: bool, is_stale: bool) -> None:
        """Reject an anonymous write by a client with a rejected credential: it would lose its author.

        Raises TokenRejected.
        """
        if is_over:  # the cookies are cleared, so that this browser can write anonymously afterwards
            raise TokenRejected(reason="session over", headers=self._clearing(client))
        if is_stale:
            raise TokenRejected(reason="stale")

    def _clearing(self, client: Client) -> Headers:
        cleared = clear_session(self.names(client), secure=self.secure(client))
        return [(b"Set-Cookie", value) for value in cleared]

    def token_of(self, headers: Sequence[Header], client: Client, now: float) -> VerifiedToken | None:
        """The valid access token of a request in the app lane; None for an invalid one, or without one."""
        read = drop_published(RequestHeaders(headers), self.published_key)
        cookies = read_session(read.cookie, self.names(client)) if read.cookie else NO_COOKIES
        credential = cookies.access or bearer(read.authorization)
        return self.verifier.read_good(credential, now) if credential and not cookies.ambiguous else None

    def secure(self, client: Client) -> bool:
        """Whether cookies for this client get the Secure attribute."""
        return client.scheme == "https" if self.secure_cookies is None else self.secure_cookies

    def names(self, client: Client) -> CookieNames:
        """The names of the session's cookies at this client: browsers accept a prefix only with Secure."""
        return self.cookies.secure if self.secure(client) else self.cookies.plain

    def _authenticate(self, policy: Policy, facts: Facts) -> VerifiedToken | None:
        """The token of the first authenticator with a credential; None without one, if the policy permits."""
        try:
            for authenticator in self.authenticators:
                token = authenticator.authenticate(facts, self.verifier)
                if token is not None:
                    return token
        except CookieAmbiguous:
            raise CookieAmbiguous(headers=self._clearing(facts.client)) from None
        if policy is Policy.REQUIRED:
            raise CredentialMissing
        return None

    def _check_origin(self, read: RequestHeaders, client: Client) -> None:
        check_own_origin(self.origins, read.origin, read.fetch_site, client)


_Handled = AuthFunction | OwnDocument | Options


def _handled(lane: _Handled, client: Client, request: Request, read: RequestHeaders, path: bytes) -> Admitted:
    """A request for the app lane, or one with a response of the gateway itself."""
    trace, parent = _traces(request, read)
    return Admitted(lane, client, read.origin, path=path, trace=trace, parent=parent)


def _traces(request: Request, read: RequestHeaders) -> tuple[bytes, bytes]:
    """The traceparent to forward, and the client's if the gateway's replaces it."""
    return (request.trace, read.traceparent) if request.trace else (read.traceparent, b"")
