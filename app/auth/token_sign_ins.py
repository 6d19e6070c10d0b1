"""Sign-ins by a token in the reply: the gateway verifies it, and sets the session's cookies.

A page then needs no script that stores tokens, which any injected script could read: its cookies are
HttpOnly. Other clients get the body as the function returned it.
"""

import math
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from app.auth.calls import FunctionCall
from app.auth.documents import compact, parse
from app.auth.json_members import Path, edited, is_hollow
from app.auth.replies import BODILESS, NO_CONTENT, Reply, is_csv
from app.auth.sign_ins import Held, held_in, is_refresh, is_token, refresh_members
from app.core.session.cookies import deletes, name_of, value_of
from app.core.tokens.jwk import Key
from app.core.tokens.mint import mint
from app.core.tokens.verify import TokenVerifier, VerifiedToken
from app.errors import Headers, TokenRejected, TokenUnusable

Call = Callable[[FunctionCall], Awaitable[Reply]]
# The Set-Cookie values of a session in SQL for a verified token; None where SQL has no such sessions
Adopt = Callable[[FunctionCall, VerifiedToken], Awaitable[list[bytes] | None]]
TokenBody = Literal["auto", "keep", "strip"]

_REFRESH_SECONDS: Final = 30 * 86_400  # of the cookie; how long the token is good, only the function knows
_MOST_SECONDS: Final = 400 * 86_400  # browsers cap Max-Age there (RFC 6265bis section 5.6.2)


@dataclass(frozen=True, slots=True)
class TokenRules:
    """How tokens in replies are read and what becomes of them."""

    members: Sequence[Path]
    body: TokenBody
    access_cookie: bytes  # the names without a prefix
    refresh_cookie: bytes
    signing: Key = field(repr=False)
    verifier: TokenVerifier


class TokenSignIns:
    """Calls auth functions, and turns a token in the reply of a public one into the session's cookies."""

    def __init__(
        self,
        call: Call,
        rules: TokenRules,
        *,
        functions: Collection[str],
        adopted: Collection[str],
        adopt: Adopt,
    ) -> None:
        """`functions` may sign in or renew; the sessions of those in `adopted` are SQL's if it has any."""
        self._call = call
        self._rules = rules
        self._functions = functions
        self._adopted = adopted
        self._adopt = adopt

    def use(self, rules: TokenRules) -> None:
        """Use these rules from now on."""
        self._rules = rules

    async def call(self, call: FunctionCall) -> Reply:
        """The reply, with cookies for its token.

        Raises TokenUnusable for a token that does not verify, and the errors of `AuthFunctions.call`.
        """
        rules = self._rules
        reply = await self._call(call)
        if call.name not in self._functions or _sets(reply, rules.access_cookie):
            return reply
        held = held_in(reply, rules.members)
        if held is None:
            return reply
        try:
            verified = rules.verifier.verify_new(held.token.encode(), time.time())
        except TokenRejected as rejected:
            raise TokenUnusable(reason=f"{call.name}: {rejected.reason}") from None
        cookies = await self._adopt(call, verified) if call.name in self._adopted else None
        is_adopted = cookies is not None
        if cookies is None:
            cookies = list(
                _cookies(rules, verified, None if _sets(reply, rules.refresh_cookie) else held.refresh)
            )
        headers = [*reply.headers, *((b"Set-Cookie", value) for value in cookies)]
        body = _body(call, reply, rules, held, cookies, drops_refresh=is_adopted or held.refresh is not None)
        return _with_body(reply, headers, body)


def _sets(reply: Reply, cookie: bytes) -> bool:
    """Whether the function itself has set this cookie, which then stands."""
    values = (value for name, value in reply.headers if name.lower() == b"set-cookie")
    return any(name_of(value) == cookie and not deletes(value) for value in values)


def _cookies(rules: TokenRules, verified: VerifiedToken, refresh: str | None) -> Iterable[bytes]:
    # Own ids, so that two sign-ins in one second are two sessions, and each can be revoked
    own = {"jti": secrets.token_urlsafe(16), "sid": secrets.token_urlsafe(16)}
    try:
        minted = mint(own | verified.claims, rules.signing)
    except ValueError:
        raise TokenUnusable(reason="a number in its claims") from None
    seconds = verified.expires_at - time.time()
    life = b"" if math.isinf(seconds) else b"; Max-Age=%d" % min(max(1, int(seconds)), _MOST_SECONDS)
    yield b"%b=%b; Path=/; HttpOnly; SameSite=Lax%b" % (rules.access_cookie, minted, life)
    if refresh is not None:
        yield b"%b=%b; Path=/; HttpOnly; SameSite=Lax; Max-Age=%d" % (
            rules.refresh_cookie,
            refresh.encode(),
            _REFRESH_SECONDS,
        )


def _body(
    call: FunctionCall,
    reply: Reply,
    rules: TokenRules,
    held: Held,
    cookies: Iterable[bytes],
    *,
    drops_refresh: bool,
) -> bytes:
    """The body for this client: without the tokens for a page, and else as the function returned it.

    A token that SQL signed with a secret of this process is no credential: the minted one replaces it.
    """
    strips = rules.body == "strip" or (rules.body == "auto" and call.is_page)
    if is_csv(reply):
        return b"" if strips else reply.body
    refreshes = refresh_members(rules.members) if strips else []
    minted = next(
        (value_of(value) for value in cookies if name_of(value) == rules.access_cookie), b""
    ).decode()

    def change(path: Path, value: str) -> str | None:
        text = parse(value)
        if not strips:
            return compact(minted) if text == held.token and minted else value
        is_dropped = drops_refresh and is_refresh(text) if path in refreshes else is_token(text)
        return None if is_dropped else value

    if not strips and rules.signing.is_symmetric:
        return reply.body
    text = edited(reply.body.decode(), [*rules.members, *refreshes], change)
    return b"" if text is None or is_hollow(text) else text.encode()


def _with_body(reply: Reply, headers: Headers, body: bytes) -> Reply:
    if body or reply.status in BODILESS:
        return replace(reply, headers=headers, body=body)
    kept = [(name, value) for name, value in headers if name.lower() != b"content-type"]
    return replace(reply, status=NO_CONTENT, headers=kept, body=b"")
