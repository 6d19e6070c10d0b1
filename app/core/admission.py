"""The one place that decides: a request head is admitted to a lane, or refused with an error.

Every check of the straight line stands here in order, on the bytes as they came, and the head that goes
upstream is made of the values that were checked. Pure: the clock and the peer are arguments.
"""

from dataclasses import dataclass

from app.core.cookies import NO_COOKIES, CookieNames, SessionCookies, clear_session, read_session
from app.core.forwarding import Client, Peer, TrustedProxies
from app.core.framing import check_framing, check_length, check_line, framing_line, opens_websocket
from app.core.headers import RequestHeaders
from app.core.heads import UPGRADE_LINES, request_head
from app.core.hosts import is_host, origin_of
from app.core.origins import SAFE_METHODS, Origins
from app.core.requests import Admitted, Options, Request
from app.core.routing import FUNCTION_METHODS, AuthFunction, Policy, Route, Router
from app.core.targets import split_target
from app.core.tokens import TokenVerifier, VerifiedToken
from app.errors import (
    CookieAmbiguous,
    CredentialMissing,
    ExpectationFailed,
    HeadTooLarge,
    HostInvalid,
    RouteUnknown,
    TargetTooLong,
    TokenRefused,
    TooEarly,
    UpgradeRefused,
)


@dataclass(frozen=True, slots=True)
class Admission:
    """The gateway's rules, wired once."""

    router: Router
    verifier: TokenVerifier
    origins: Origins
    proxies: TrustedProxies
    cookies: CookieNames
    auth_schema: bytes
    secure_cookies: bool | None = None  # None: when the client came by https
    target_bytes: int = 16_384
    header_count: int = 100
    head_bytes: int = 65_536

    def decide(self, request: Request, now: float) -> Admitted:
        """Admit a request at `now` (seconds since the epoch), or raise a GatewayError."""
        check_line(request.method, request.version)
        self._check_size(request)
        read = RequestHeaders(request.headers)
        _check_host(read, request.version)
        chunked = check_framing(read, request.version)
        path, query = split_target(request.target)
        client = self._client(request.peer, read)
        if read.preflight_method and request.method == b"OPTIONS" and read.origin is not None:
            allowed = self.origins.preflight(read.origin, read.preflight_headers)
            return Admitted(Options(allowed), client, read.origin)
        if read.expect is not None and read.expect.lower() != b"100-continue":
            raise ExpectationFailed
        if read.early_data and request.method not in SAFE_METHODS:
            raise TooEarly  # it may be a replay (RFC 8470 section 5.2)
        lane = self.router.find(request.method, path)
        if isinstance(lane, AuthFunction):
            if read.content_profile is None or read.content_profile == self.auth_schema:
                return self._admit_function(lane, request, read, client)
            lane = self.router.route(path)
        return self._admit_relay(
            lane, request, read, client, path=path, query=query, chunked=chunked, now=now
        )

    def _admit_function(
        self, function: AuthFunction, request: Request, read: RequestHeaders, client: Client
    ) -> Admitted:
        if request.method == b"OPTIONS":
            return Admitted(Options([(b"Allow", FUNCTION_METHODS)]), client, read.origin)
        if request.upgrade:
            raise UpgradeRefused
        self._check_origin(read, client)
        return Admitted(function, client, read.origin, expects_continue=read.expect is not None)

    def _admit_relay(
        self,
        route: Route | None,
        request: Request,
        read: RequestHeaders,
        client: Client,
        *,
        path: bytes,
        query: bytes,
        chunked: bool,
        now: float,
    ) -> Admitted:
        cookies = read_session(read.cookie, self.cookies) if read.cookie else NO_COOKIES
        policy = route.policy if route is not None else Policy.REQUIRED
        token = self._authenticate(policy, read, cookies, client, now)
        if route is None:
            raise RouteUnknown
        check_length(read, route.body_bytes)
        if request.upgrade or request.method not in SAFE_METHODS:
            self._check_unsafe(route, request, read, cookies, client, token)
        if read.accept_profile and not (route.is_document and token is None):
            read.lines.append(read.accept_profile)
        return Admitted(
            route,
            client,
            read.origin,
            token,
            head=request_head(
                request.method,
                route.upstream_path(path) + query,
                route.authority,
                lines=read.lines,
                client=client,
                request_id=request.request_id,
                cookie=cookies.others,
                authorization=_credential_lines(route, token) if token is not None else b"",
                upgrade=UPGRADE_LINES if request.upgrade else b"",
                framing=framing_line(read, chunked=chunked),
            ),
            sized=read.content_length is not None and read.content_length != b"0",
            chunked=chunked,
            expects_continue=read.expect is not None and request.version == "1.1",
            upgrades=request.upgrade,
        )

    def _check_unsafe(  # noqa: PLR0917  what was found out so far
        self,
        route: Route,
        request: Request,
        read: RequestHeaders,
        cookies: SessionCookies,
        client: Client,
        token: VerifiedToken | None,
    ) -> None:
        """What a request must be besides signed in, when it may change something."""
        if request.upgrade and not (
            route.websocket and opens_websocket(request.method, request.version, read)
        ):
            raise UpgradeRefused
        if token is None:
            if route.policy is Policy.OPTIONAL and (cookies.access or _bearer(read.authorization)):
                raise TokenRefused(reason="stale")  # a write that its author signed must not become nobody's
        elif cookies.access:
            # A WebSocket too: any page could open one with this origin's cookies, and write to it.
            self._check_origin(read, client)

    def secure(self, client: Client) -> bool:
        """Whether cookies for this client get the Secure attribute."""
        return client.scheme == "https" if self.secure_cookies is None else self.secure_cookies

    def _check_size(self, request: Request) -> None:
        if len(request.target) > self.target_bytes:
            raise TargetTooLong
        if len(request.headers) > self.header_count:
            raise HeadTooLarge(reason="too many fields")
        if request.head_bytes > self.head_bytes:
            size = sum(len(name) + len(value) for name, value in request.headers)
            if size > self.head_bytes:
                raise HeadTooLarge(reason="too many bytes")

    def _client(self, peer: Peer, read: RequestHeaders) -> Client:
        if peer.trusted:
            return self.proxies.client(
                peer, read.forwarded_for, read.forwarded_proto, read.forwarded_host, read.host
            )
        return Client(peer.address, peer.scheme, read.host, peer.lines)

    def _authenticate(
        self,
        policy: Policy,
        read: RequestHeaders,
        cookies: SessionCookies,
        client: Client,
        now: float,
    ) -> VerifiedToken | None:
        """The one credential of the request: the cookie; without one, the bearer."""
        if policy is Policy.NONE:
            return None
        credential = cookies.access or _bearer(read.authorization)
        if policy is Policy.REQUIRED:
            if cookies.ambiguous:
                cleared = clear_session(self.cookies, secure=self.secure(client))
                raise CookieAmbiguous(headers=[(b"Set-Cookie", value) for value in cleared])
            if not credential:
                raise CredentialMissing
            return self.verifier.verify(credential, now)
        if not credential or cookies.ambiguous:
            return None
        try:
            return self.verifier.verify(credential, now)
        except TokenRefused:
            return None  # public data stays readable with a stale cookie

    def _check_origin(self, read: RequestHeaders, client: Client) -> None:
        self.origins.check(read.origin, read.fetch_site, origin_of(client.scheme, client.host))


def _check_host(read: RequestHeaders, version: str) -> None:
    if read.host_count == 1:
        if not is_host(read.host):
            raise HostInvalid(reason="malformed")
    elif read.host_count > 1 or version == "1.1":
        raise HostInvalid(reason="missing" if not read.host_count else "more than one")


def _bearer(authorization: bytes | None) -> bytes | None:
    if authorization is None or authorization[:7].lower() != b"bearer ":
        return None
    return authorization[7:].strip(b" \t")


def _credential_lines(route: Route, token: VerifiedToken) -> bytes:
    return token.authorization + token.identity if route.identity else token.authorization
