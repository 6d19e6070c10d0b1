"""Request headers that a client may not send: claims that only a proxy in front of a service can know.

Frameworks and services trust these headers for the user, the address, the scheme, the host, the path or the
method of a request. So they are dropped from all requests. Of trusted proxies, `core/http/forwarding.py`
reads X-Forwarded-For, -Proto, -Host and -Port, and the gateway writes them again.

Names are compared as the loosest parser compares them: CGI, WSGI and PHP turn `-`, `_` and, in some servers,
every other mark into `_` (CVE-2025-64484; RFC 3875 section 4.1.18; PHP's variables, lighttpd's environment).
"""

from typing import Final

_LETTERS: Final = (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
_MARKS: Final = bytes(set(range(256)) - {*b"0123456789", *_LETTERS[0], *_LETTERS[1]})
_FOLD: Final = bytes.maketrans(_LETTERS[0] + _MARKS, _LETTERS[1] + b"-" * len(_MARKS))

# Strings, because lists would need one line for each name
_NAMES: Final = (
    # The client's address
    "ali-real-client-ip cdn-real-ip cdn-src-ip cf-pseudo-ipv4 client-ip client-real-ip cluster-client-ip "
    "cluster-ip do-connecting-ip eo-client-ip forwarded host-ip incap-client-ip ip origin-ip originating-ip "
    "override-ip real-client-ip real-ip real-port source-ip true-client-ip tx-client-ip via-ip "
    "x-aws-source-ip x-backend-host x-bluecoat-via x-client-addr x-client-address x-client-ip "
    "x-client-ips x-client-port x-clientip x-cluster-client-ip x-cluster-client x-coming-from "
    "x-connecting-ip x-custom-ip-authorization x-host-ip x-ip x-ip-address x-originating-ip x-peer-address "
    "x-peer-ip x-proxyuser-ip x-source-ip x-src-ip x-sucuri-clientip x-trusted-ip x-true-client-ip "
    "x-true-ip x-visitor-ip xroxy-connection "
    # Scheme, host, port and prefix
    "cf-visitor front-end-https host-override http-host https path-info path-translated "
    "request-uri script-name server-name server-port x-base-path x-x-external-host "
    "x-external-path x-external-url x-frontend-https x-gateway-host x-host x-host-override x-https "
    "x-ingress-path x-mount-path x-originating-host x-path-info x-path-prefix x-proto "
    "x-protocol x-proxy-url x-public-url x-request-scheme x-root-path x-scheme x-script-name x-secure "
    "x-server-name x-server-port x-ssl x-url-scheme x-virtual-host "
    # Another path or method than the checked one. X-Middleware-Subrequest made Next.js skip its checks
    # (CVE-2025-29927), X-Sendfile-Type and X-Accel-Mapping control Rack::Sendfile (CVE-2025-61780)
    "x-accel-mapping x-http-destinationurl x-http-host-override x-http-method x-http-method-override "
    "x-http-path-override x-matched-path x-method-override x-now-route-matches x-override-url "
    "x-proxy-path x-request-uri x-sendfile-type "
    # Identity
    "auth-cn auth-groups auth-mail auth-name auth-type auth-user authenticated-user client-cert "
    "client-cert-chain eppn persistent-id proxy smuser targeted-id user-id user-name webauth-user "
    "x-account-name x-admin x-anonymous-consumer x-apigateway-api-userinfo x-arr-clientcert x-arr-ssl "
    "x-authenticated x-certificate x-claims x-client-dn x-client-s-dn x-client-verified "
    "x-client-verify x-email x-endpoint-api-userinfo x-group x-groups x-identity x-is-admin x-jwt "
    "x-principal x-request-id x-role x-roles x-scope x-scopes x-serverless-authorization x-subject "
    "x-tls-client-cert x-user x-useremail x-userid x-userinfo x-username x-userprincipalname "
    "ynh-user"
)
_STARTS: Final = (
    "-ws "  # IBM WebSphere's $WSRU, $WSRA and others
    "ali-cdn- cf-access- cf-client- cf-connecting- cloudfront- fastly-client fastly-ssl fly- forwarded- "
    "forwarder forwarding impersonate- iv- mellon- ms-aspnetcore- oam- oidc- osso- proxy- remote- shib- sm- "
    "ssl- tailscale- webauth- wl-proxy- "
    "x-amzn-mtls- x-amzn-oidc- x-amzn-request-context x-appengine- x-appservice- x-arr- x-auth- "
    "x-authelia- x-authenticated- x-authentik- x-authn- x-authz- x-azure- x-claim- x-client-cert "
    "x-client-ssl- x-consumer- x-credential- x-envoy- x-forward- x-forwarded x-forwarder- "
    "x-goog-authenticated- "
    "x-goog-iap- x-invoke- x-jwt- x-middleware- x-ms-client-principal x-ms-forwarded- x-ms-original- "
    "x-ms-token- x-nf- x-oauth- x-oidc- x-original x-pomerium- x-rapidapi- x-real- x-remote- x-replit-user- "
    "x-rewrite- x-saml- x-sandstorm- x-shib- x-ssl- x-tailscale- x-token- x-user- x-vercel- x-vouch- "
    "x-webauth- "
)
# gRPC-Web clients in browsers send it
_FREE: Final = frozenset({b"x-user-agent"})

CLAIMED_NAMES: Final = frozenset(_NAMES.encode().split())
CLAIMED_STARTS: Final = tuple(_STARTS.encode().split())


def fold(name: bytes) -> bytes:
    """A name as the loosest parser compares it: lower case, `-` for all but letters and digits."""
    return name.translate(_FOLD)


def is_claimed(folded: bytes) -> bool:
    """Whether a folded header name is a claim that a client may not make."""
    return folded in CLAIMED_NAMES or (folded.startswith(CLAIMED_STARTS) and folded not in _FREE)
