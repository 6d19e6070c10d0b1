"""Makers of the values that the tests of the core start from: tokens, request heads, a wired gateway."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.core.admission import Admission
from app.core.http.forwarding import Peer, TrustedProxies
from app.core.http.headers import Header
from app.core.http.origins import Origins
from app.core.http.routing import Policy, Route, Router
from app.core.requests import Admitted, Request
from app.core.session.cookie_names import ClientCookieNames, CookieNames
from app.core.tokens.jwk import hmac_key
from app.core.tokens.verify import TokenVerifier
from app.errors import GatewayError

NOW = 1_800_000_000
SECRET = b"a key for the tests of the core alone"
OTHER_SECRET = b"another key, that no verifier was given"

NAMES = CookieNames(b"access_token", b"refresh_token")
PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])
REST = Route("rest", b"/rest/", "postgrest", b"postgrest:3000", strip=True, documented=True)
RPC = Route("rpc", b"/rpc/", "postgrest", b"postgrest:3000")
FUNCTIONS = ("login", "logout", "refresh_token")


def router(*routes: Route, functions: Sequence[str] = FUNCTIONS, **more: Any) -> Router:
    more.setdefault("rpc_prefixes", (b"/rpc/", b"/rest/rpc/"))
    return Router(routes or (REST, RPC), functions=functions, **more)


def verifier(secret: bytes = SECRET, **options: Any) -> TokenVerifier:
    return TokenVerifier([hmac_key(secret)], **options)


def gateway(*, body_bytes: int = 0, **changes: Any) -> Admission:
    """A gateway wired as the composition root does it, with a memory of its own."""
    wired = Admission(
        router=router(*(replace(route, body_bytes=body_bytes) for route in (REST, RPC) if body_bytes)),
        verifier=verifier(),
        origins=Origins(["https://app.test"]),
        proxies=PROXIES,
        cookies=ClientCookieNames(NAMES, NAMES),
        auth_schema=b"auth",
    )
    return replace(wired, **changes)


def open_gateway(policy: Policy = Policy.OPTIONAL) -> Admission:
    return gateway(router=router(replace(REST, policy=policy), replace(RPC, policy=policy)))


def peer(address: str = "198.51.100.7", scheme: str = "https") -> Peer:
    return PROXIES.peer(address, scheme)


def request(line: str, *fields: str, host: str | None = "gw.test", **changes: Any) -> Request:
    """A request head, written as on the wire: `request("GET /rest/items", "Cookie: a=b")`."""
    method, _, target = line.partition(" ")
    headers = [_header(field) for field in ((f"Host: {host}",) if host is not None else ()) + fields]
    head = Request(
        method=method.encode(),
        target=target.encode("latin-1"),
        version="1.1",
        headers=headers,
        head_bytes=0,
        upgrade=False,
        peer=peer(),
        request_id=b"id-1",
    )
    return head._replace(**changes)


def decide(
    line: str, *fields: str, gate: Admission | None = None, now: float = NOW, **changes: Any
) -> Admitted:
    return (gate or gateway()).decide(request(line, *fields, **changes), now)


def refusal(error: type[GatewayError], line: str, *fields: str, **changes: Any) -> GatewayError:
    """The error that a request is refused with, which is of just this class."""
    with pytest.raises(error) as refused:
        decide(line, *fields, **changes)
    assert type(refused.value) is error
    return refused.value


def session(token: str | None = None) -> str:
    """The Cookie field of somebody who is signed in."""
    return f"Cookie: access_token={mint() if token is None else token}"


def mint(claims: Mapping[str, Any] | None = None, *, key: bytes = SECRET, **changes: Any) -> str:
    """A token as PyJWT makes it."""
    base = {"role": "web", "sub": "u1", "exp": NOW + 600} if claims is None else dict(claims)
    return jwt.encode(base | changes, key, "HS256")


def key_pair(kind: str) -> dict[str, Any]:
    """A private JSON Web Key: RSA, Ed25519, or one on a named curve."""
    if kind == "RSA":
        return RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    if kind == "Ed25519":
        return OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True)
    curve = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}[kind]
    return ECAlgorithm.to_jwk(ec.generate_private_key(curve), as_dict=True)


def sign(header: bytes, payload: bytes, *, key: bytes = SECRET, digest: str = "sha256") -> bytes:
    """A token of any two strings of bytes, with a good signature."""
    signed = base64url(header) + b"." + base64url(payload)
    return signed + b"." + base64url(hmac.digest(key, signed, digest))


def token_of(
    header: Mapping[str, Any] | str | None = None, payload: Mapping[str, Any] | str | None = None
) -> bytes:
    """A signed token from objects or from the text of their JSON."""
    return sign(
        _json({"alg": "HS256"} if header is None else header),
        _json({"role": "web", "sub": "u1", "exp": NOW + 600} if payload is None else payload),
    )


def base64url(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def _json(value: Mapping[str, Any] | str) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def _header(field: str) -> Header:
    name, _, value = field.partition(":")
    return name.lower().encode("latin-1"), value.strip(" ").encode("latin-1")
