"""The rules of admission from the settings: routes, keys, origins, proxies, cookies."""

import secrets

from app.catalogue import SIGN_OUT, plain_name
from app.core.admission import Admission
from app.core.http.forwarding import TrustedProxies
from app.core.http.origins import Origins
from app.core.http.protection import Protection
from app.core.http.routing import Policy, Route, Router
from app.core.session.cookie_names import HOST_PREFIX, ClientCookieNames, CookieNames
from app.core.session.revocations import Revocations
from app.core.tokens.admissions import Admissions
from app.settings import Settings
from app.settings.routes import RouteSetting
from app.wiring.issuers import authenticators
from app.wiring.pools import POSTGREST, authority
from app.wiring.tokens import token_verifier


def rpc_prefixes(settings: Settings) -> tuple[str, ...]:
    """The prefixes under which clients reach SQL functions, each once."""
    return tuple(dict.fromkeys(("/rpc/", *(f"{prefix}rpc/" for prefix in settings.rest_prefix))))


def via_name() -> bytes:
    """The name of this process in the Via field of requests."""
    return b"postgate-%b" % secrets.token_hex(4).encode()


def admission(
    settings: Settings, revocations: Revocations, via: bytes, admissions: Admissions | None = None
) -> Admission:
    """All rules; `via` is the name for the Via field, `admissions` the decisions about tokens of issuers."""
    return Admission(
        router=Router(
            _routes(settings),
            functions=_public_functions(settings),
            account_functions=settings.account_functions,
            rpc_prefixes=[prefix.encode() for prefix in rpc_prefixes(settings)],
        ),
        verifier=token_verifier(settings, revocations),
        origins=Origins(settings.trusted_origins),
        proxies=TrustedProxies(settings.trusted_proxies, via),
        cookies=cookie_names(settings),
        auth_schema=settings.auth_schema.encode(),
        target_bytes=settings.target_bytes,
        header_count=settings.header_count,
        head_bytes=settings.head_bytes,
        secure_cookies={"auto": None, "always": True, "never": False}[settings.cookie_secure],
        published_key=(settings.published_key or "").encode(),
        login_url=(settings.login_url or "").encode(),
        protection=Protection(settings.hsts),
        renews=settings.renewal,
        authenticators=authenticators(admissions),
    )


def _public_functions(settings: Settings) -> tuple[str, ...]:
    """The public functions, and a sign-out where functions sign in, which then may be the gateway's own."""
    names = settings.auth_functions
    listed = {plain_name(name) for name in (*names, *settings.account_functions)}
    return names if not names or SIGN_OUT in listed else (*names, SIGN_OUT)


def cookie_names(settings: Settings) -> ClientCookieNames:
    """The names of the session's cookies, for clients of either scheme."""

    def names(prefix: bytes, other_prefix: bytes = b"") -> CookieNames:
        return CookieNames(
            settings.access_cookie.encode(),
            settings.refresh_cookie.encode(),
            prefix=prefix,
            other_prefix=other_prefix,
            refresh_function=plain_name(settings.refresh_function).encode(),
        )

    if settings.cookie_prefix == "auto":
        return ClientCookieNames(names(b"", HOST_PREFIX), names(HOST_PREFIX))
    same = names(HOST_PREFIX if settings.cookie_prefix == "host" else b"")
    return ClientCookieNames(same, same)


def _routes(settings: Settings) -> list[Route]:
    host = authority(settings.postgrest_url)
    policy = Policy.OPTIONAL if settings.anonymous == "allow" else Policy.REQUIRED
    limit = settings.body_bytes
    return [
        *(
            Route("rest", prefix.encode(), POSTGREST, host, policy, limit, documented=True, strip=True)
            for prefix in settings.rest_prefix
        ),
        Route("rpc", b"/rpc/", POSTGREST, host, policy, limit),
        *(
            Route(
                route.prefix,
                route.prefix.encode(),
                route.upstream,
                authority(route.upstream),
                Policy(route.policy),
                limit if route.body_bytes is None else route.body_bytes,
                websocket=route.websocket,
                identity=True,
                strip=route.strip,
                passes_host=route.host,
                prefix_line=_prefix_line(route),
                stall_seconds=route.stall_seconds,
                first_byte_seconds=route.first_byte_seconds,
            )
            for route in settings.routes
        ),
    ]


def _prefix_line(route: RouteSetting) -> bytes:
    prefix = route.prefix.removesuffix("/").encode()
    return b"X-Forwarded-Prefix: %b\r\n" % prefix if route.strip and prefix else b""
