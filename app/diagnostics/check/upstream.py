"""PostgREST's responses to probes: whether it runs, and whether it reads tokens as the gateway does.

Each probe is one GET of the root with one token. PostgREST checks the token first, and the code of its error
shows which check failed; agreement.py interprets it.
"""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from app.core.tokens.jwk import Key, hmac_key
from app.network import look_up_failure
from app.settings import MIN_SECRET_BYTES, Settings
from app.wiring.probes import postgrest_client, question

RESPONSE_SECONDS: Final = 10  # 12.0.2 accepts connections and never responds while its database is down
SAMPLES: Final = (  # of PostgREST, jwt.io and Supabase
    b"reallyreallyreallyreallyverysafe",
    b"a-string-secret-at-least-256-bits-long",
    b"super-secret-jwt-token-with-at-least-32-characters-long",
)
_BODY_BYTES: Final = 65_536
_TOKEN_REJECTED: Final = frozenset({"PGRST301", "PGRST303"})
_NO_SUCH_ROLE_NAME: Final = "postgate_check_nobody"  # neither a role nor a schema has this name


class PostgrestUnreachable(Exception):
    """There is no response; the text says why."""


@dataclass(frozen=True, slots=True)
class Response:
    """Parts of a response. `code`, `message` and `hint` are those of a PostgREST error, else empty."""

    status: int
    server: str = ""
    date: float | None = None
    code: str = ""
    message: str = ""
    hint: str = ""

    @property
    def is_success(self) -> bool:
        return self.status < httpx.codes.BAD_REQUEST

    @property
    def rejects_token(self) -> bool:
        return self.code in _TOKEN_REJECTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Responses:
    """The responses to the probes, named by what was sent."""

    own: Response  # the gateway's token
    own_at: float  # when it was sent, by the gateway's clock (Unix seconds)
    foreign: Response  # the same, signed with another secret
    other_reading: Response  # the same, with the secret read as plain text instead of base64, or the reverse
    samples: Sequence[Response] = ()  # the same, signed with sample secrets of manuals
    later_keys: Sequence[Response] = ()  # the same, signed with the second key of the set, the third ...
    unknown_role: Response  # a role that does not exist, in the gateway's role claim
    auth_schema: Response  # the auth schema requested by Accept-Profile
    anonymous: Response  # no token
    roles: Mapping[str, Response]  # by role: a token with a user's role


async def look(settings: Settings, roles: Sequence[str]) -> Responses:
    """Send the probes. `roles` are those of users. Raises PostgrestUnreachable."""
    ring = settings.jwt_ring
    own_key = ring.signing
    later = [key for key in ring.keys if key.can_sign and key is not own_key]

    async def ask(token: str = "", profile: str = "") -> Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        if profile:
            headers["accept-profile"] = profile
        return await _ask(client, headers)

    async with postgrest_client(settings.postgrest_url, seconds=RESPONSE_SECONDS) as client:
        own_at = time.time()
        own = await ask(question(settings, own_key))
        rest = await asyncio.gather(
            ask(question(settings, _random_key())),
            ask(question(settings, _read_the_other_way(settings))),
            ask(question(settings, own_key, role=_NO_SUCH_ROLE_NAME)),
            ask(question(settings, own_key), profile=settings.auth_schema),
            ask(),
            *(ask(question(settings, key)) for key in map(hmac_key, SAMPLES)),
            *(ask(question(settings, key)) for key in later),
            *(ask(question(settings, own_key, role=role)) for role in roles),
        )
    foreign, other_reading, unknown_role, auth_schema, anonymous, *others = rest
    return Responses(
        own=own,
        own_at=own_at,
        foreign=foreign,
        other_reading=other_reading,
        unknown_role=unknown_role,
        auth_schema=auth_schema,
        anonymous=anonymous,
        samples=others[: len(SAMPLES)],
        later_keys=others[len(SAMPLES) : len(SAMPLES) + len(later)],
        roles=dict(zip(roles, others[len(SAMPLES) + len(later) :], strict=True)),
    )


async def request_exposed(settings: Settings) -> Response:
    """The response to a request for an unknown schema: its text lists the exposed ones."""
    headers = {
        "authorization": f"Bearer {question(settings, settings.jwt_ring.signing)}",
        "accept-profile": _NO_SUCH_ROLE_NAME,
    }
    async with postgrest_client(settings.postgrest_url, seconds=RESPONSE_SECONDS) as client:
        return await _ask(client, headers)


async def ask_with(settings: Settings, token: str) -> Response:
    """The response to a token of any signer. Raises PostgrestUnreachable."""
    async with postgrest_client(settings.postgrest_url, seconds=RESPONSE_SECONDS) as client:
        return await _ask(client, {"authorization": f"Bearer {token}"})


def _random_key() -> Key:
    return hmac_key(secrets.token_bytes(MIN_SECRET_BYTES))


def _read_the_other_way(settings: Settings) -> Key:
    other = settings.model_copy(update={"jwt_secret_is_base64": not settings.jwt_secret_is_base64})
    try:
        return other.jwt_ring.signing
    except ValueError:
        return _random_key()  # PostgREST could not decode it either


async def _ask(client: httpx.AsyncClient, headers: Mapping[str, str]) -> Response:
    try:
        async with client.stream("GET", "/", headers=headers) as response:
            body = await _read_error(response) if response.is_error else {}
    except httpx.TimeoutException:
        raise PostgrestUnreachable(f"there is no response within {RESPONSE_SECONDS} s") from None
    except httpx.ConnectError as error:
        why = look_up_failure(error) or "nothing listens there, or this user may not connect"
        raise PostgrestUnreachable(why) from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise PostgrestUnreachable("the server there does not speak HTTP") from None
    return Response(
        response.status_code,
        server=response.headers.get("server", ""),
        date=_read_date(response.headers.get("date", "")),
        code=str(body.get("code", "")),
        message=str(body.get("message", "")),
        hint=str(body.get("hint", "")),
    )


async def _read_error(response: httpx.Response) -> dict[str, Any]:
    body = b""
    async for part in response.aiter_bytes():
        body += part
        if len(body) > _BODY_BYTES:
            return {}
    with contextlib.suppress(ValueError):
        error = json.loads(body)
        if isinstance(error, dict):
            return error
    return {}


def _read_date(text: str) -> float | None:
    with contextlib.suppress(ValueError):
        return parsedate_to_datetime(text).timestamp()
    return None
