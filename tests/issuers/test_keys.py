"""The keys of an issuer: what is fetched, what is refused, and what stays when a fetch fails."""

import asyncio
import gzip
import json
from typing import Any

import httpx
import pytest
from core.builders import key_pair

from app.auth.issuers import KeyFetcher, KeySet
from app.auth.issuers.fetching import MAX_BYTES, FetchFailed
from app.core.tokens.issued import IssuerRules
from app.core.tokens.jwk import Key
from app.errors import IssuerUnavailable
from app.events import Event, IssuerKeysFetched, IssuerKeysUnavailable
from app.settings.issuers import is_allowed_url

from .provider import new_key

pytestmark = pytest.mark.anyio

ISSUER = "https://id.test/realm"
JWKS = "https://keys.test/jwks"
DISCOVERY = ISSUER + "/.well-known/openid-configuration"
KEY, NEXT = new_key("ES256", "k1"), new_key("ES256", "k2")
SET = {"keys": [KEY.public_jwk()]}

Responses = dict[str, Any]


def answer(found: Any) -> httpx.Response:
    if isinstance(found, httpx.Response):
        return found
    return httpx.Response(200, content=found if isinstance(found, bytes) else json.dumps(found).encode())


async def fetch(responses: Responses, *, jwks_url: str = JWKS, seconds: float = 5) -> tuple[Key, ...]:
    async def respond(request: httpx.Request) -> httpx.Response:
        found = responses[str(request.url)]
        if isinstance(found, float):
            await asyncio.sleep(found)
        return answer(found)

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        rules = IssuerRules(ISSUER, ("api",), ("ES256", "EdDSA"))
        fetcher = KeyFetcher(client, rules, jwks_url, is_allowed=is_allowed_url, seconds=seconds)
        return await fetcher.fetch()


def redirect(url: str) -> httpx.Response:
    return httpx.Response(302, headers={"location": url})


async def test_the_set_is_found_by_discovery_or_by_its_url() -> None:
    document = {"issuer": ISSUER, "jwks_uri": JWKS}
    for responses, url in (({JWKS: SET}, JWKS), ({DISCOVERY: document, JWKS: SET}, "")):
        (key,) = await fetch(responses, jwks_url=url)
        assert (key.key_id, key.can_sign) == ("k1", False)


async def test_entries_that_verify_nothing_here_are_skipped() -> None:
    entries = [
        {**KEY.public_jwk(), "use": "enc"}, {"kty": "oct", "k": "A" * 44}, key_pair("P-256"),
        key_pair("P-384"), {"kty": "RSA"}, {"kty": "AKP"}, None, "text", NEXT.public_jwk(),
    ]  # fmt: skip
    assert [key.key_id for key in await fetch({JWKS: {"keys": entries}})] == ["k2"]


async def test_a_redirect_is_followed_to_the_same_origin() -> None:
    responses = {JWKS: redirect("/v2"), "https://keys.test/v2": SET}
    assert len(await fetch(responses)) == 1


@pytest.mark.parametrize(
    ("responses", "url", "why"),
    [
        ({JWKS: redirect("https://evil.test/jwks")}, JWKS, "another origin"),
        ({JWKS: redirect("http://keys.test/jwks")}, JWKS, "another origin"),
        ({JWKS: redirect("https://keys.test:444/jwks")}, JWKS, "another origin"),
        ({JWKS: redirect(JWKS)}, JWKS, "too many redirects"),
        ({JWKS: httpx.Response(500)}, JWKS, "status 500"),
        ({JWKS: b"x" * (MAX_BYTES + 1)}, JWKS, "more than"),
        (
            {JWKS: httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b"{}"))},
            JWKS,
            "compressed",
        ),
        ({JWKS: b"{"}, JWKS, "not JSON"),
        ({JWKS: b"\xff"}, JWKS, "not JSON"),
        ({JWKS: b"[" * 100_000}, JWKS, "not JSON"),
        ({JWKS: []}, JWKS, "not a JSON object"),
        ({JWKS: {"keys": {}}}, JWKS, "not a JWK set"),
        ({JWKS: {"keys": []}}, JWKS, "no key"),
        ({DISCOVERY: {"issuer": ISSUER + "/", "jwks_uri": JWKS}}, "", "another issuer"),
        ({DISCOVERY: {"issuer": ISSUER}}, "", "no jwks_uri"),
        ({DISCOVERY: {"issuer": ISSUER, "jwks_uri": "http://keys.test/jwks"}}, "", "no jwks_uri"),
        ({DISCOVERY: {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}}, "", "no jwks_uri"),
    ],
)
async def test_what_is_not_a_set_from_there_is_refused(responses: Responses, url: str, why: str) -> None:
    with pytest.raises(FetchFailed, match=why):
        await fetch(responses, jwks_url=url)


async def test_a_fetch_has_a_deadline() -> None:
    with pytest.raises(FetchFailed, match="within"):
        await fetch({JWKS: 30.0}, seconds=0.01)


class World:
    """An issuer that can be changed and stopped, and a clock."""

    def __init__(self) -> None:
        self.keys: tuple[Key, ...] | None = (KEY,)
        self.fetches = 0
        self.time = 0.0
        self.events: list[Event] = []
        self.set = KeySet(ISSUER, self.fetch, lambda: self.time, self.events.append)

    async def fetch(self) -> tuple[Key, ...]:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.keys is None:
            raise FetchFailed("down")
        return self.keys


async def test_requests_share_the_first_fetch_and_later_ones_need_none() -> None:
    world = World()
    found = await asyncio.gather(*(world.set.keys_for("k1") for _ in range(5)))
    assert (found, world.fetches) == ([(KEY,)] * 5, 1)
    assert await world.set.keys_for(None) == (KEY,)
    assert world.fetches == 1
    assert world.events == [IssuerKeysFetched(ISSUER, 1)]


async def test_an_unknown_kid_fetches_again_once_a_minute() -> None:
    world = World()
    await world.set.keys_for("k1")
    world.time = 1
    for number in range(5):
        assert await world.set.keys_for(f"made up {number}") == (KEY,)
    assert world.fetches == 2
    world.keys = (NEXT,)
    world.time = 60.9
    assert await world.set.keys_for("k2") == (KEY,)
    world.time = 61
    assert await world.set.keys_for("k2") == (NEXT,)
    assert world.fetches == 3


async def test_the_keys_stay_while_the_issuer_is_down_and_the_log_has_each_change_once() -> None:
    world = World()
    await world.set.keys_for("k1")
    world.keys = None
    for minute in (1, 2, 3):
        world.time = 60.0 * minute
        assert await world.set.keys_for("k2") == (KEY,)
    world.keys, world.time = (KEY, NEXT), 240
    assert await world.set.keys_for("k2") == (KEY, NEXT)
    assert world.events == [
        IssuerKeysFetched(ISSUER, 1), IssuerKeysUnavailable(ISSUER, "down"), IssuerKeysFetched(ISSUER, 2),
    ]  # fmt: skip


async def test_without_any_keys_the_issuer_is_unavailable() -> None:
    world = World()
    world.keys = None
    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            await world.set.keys_for("k1")
    assert world.fetches == 1


async def test_the_keys_are_refreshed_in_the_background_whatever_a_client_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.auth.issuers.key_sets._FIRST_PAUSE", 0.001)
    monkeypatch.setattr("app.auth.issuers.key_sets.REFRESH_SECONDS", 0.001)
    world = World()
    results: list[tuple[Key, ...] | None] = [(KEY,), None]

    async def fetch() -> tuple[Key, ...]:
        found = results.pop(0) if results else (NEXT,)
        if found is None:
            raise ZeroDivisionError
        return found

    keys = KeySet(ISSUER, fetch, lambda: world.time, world.events.append)
    task = asyncio.create_task(keys.run())
    async with asyncio.timeout(10):
        while len(world.events) < 3:  # noqa: ASYNC110  the observer is called by the code under test
            await asyncio.sleep(0.001)
    task.cancel()
    assert world.events[1] == IssuerKeysUnavailable(ISSUER, "ZeroDivisionError")
    assert await keys.keys_for("k2") == (NEXT,)
