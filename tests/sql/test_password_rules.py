"""Which passwords a user may choose: by length, by the list of common ones, and by their context."""

import json

import pytest

from .visitors import Connection

pytestmark = pytest.mark.anyio

FAULT = "select auth_private.password_fault($1, array['alice.smith', 'asmith@example.org'])"


@pytest.fixture
async def rules(connection: Connection) -> Connection:
    await connection.execute("update auth.setting set value = null where name = 'password_length'")
    await connection.execute(
        "select set_config('request.headers', $1, true)", json.dumps({"host": "shop.acme.test:443"})
    )
    return connection


@pytest.mark.parametrize(
    "password",
    [
        *("a horse that is correct", "🙂🙃😀😃😄😁😆😅🤣😂🥲😇🙂😉😌", "e\u0301" * 3 + "an unusual phrase"),
        *("x1" + "word of a kind " * 16, "alice likes to eat cheese", "ﬁfteen letters and more"),
    ],
    ids=ascii,
)
async def test_a_long_and_uncommon_password_is_fit(rules: Connection, password: str) -> None:
    assert await rules.fetchval(FAULT, password) is None


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        *((None, "15 characters"), ("", "15 characters"), ("é" * 14, "15 characters")),
        ("e\u0301ab" * 4 + "e\u0301a", "15 characters"),  # 18 code points, 14 in NFKC
        ("correct horse! " * 18, "256 characters"),
        *(("1234567890QWERTY", "Many people"), ("PasswordStandard", "Many people")),
        *(("passwordpassword", "Many people"), ("aaaaaaaaaaaaaaaaaa", "Many people")),
        *(("abcabcabcabcabcab", "Many people"), ("iloveyouiloveyou", "Many people")),
        *(("alice.smith12345", "your name"), ("asmith@example.org", "your name")),
        *(("Postgate-Postgate-1", "Many people|your name"), ("shop.acme.test123", "your name")),
    ],
    ids=ascii,
)
async def test_an_unfit_password_is_rejected_with_the_reason(
    rules: Connection, password: str | None, reason: str
) -> None:
    fault = await rules.fetchval(FAULT, password)

    assert fault
    assert any(part in fault for part in reason.split("|"))


async def test_a_shorter_length_may_be_set_and_the_list_holds_there(rules: Connection) -> None:
    await rules.execute("update auth.setting set value = 8 where name = 'password_length'")

    assert await rules.fetchval(FAULT, "tr0ub4dor") is None
    assert "Many people" in await rules.fetchval(FAULT, "SunShine1")
    assert "8 characters" in await rules.fetchval(FAULT, "7 chars")


async def test_the_list_has_ten_thousand_passwords_of_eight_characters_and_more(rules: Connection) -> None:
    query = "select count(*) from auth_private.common_password where char_length(word) >= 8"
    assert await rules.fetchval(query) > 10_000
    assert await rules.fetchval(
        "select bool_and(word = auth_private.password_key(word)) from auth_private.common_password"
    )


async def test_the_owner_may_insert_any(rules: Connection) -> None:
    await rules.execute("insert into auth.user (username, password, role) values ('u', 'u', 'anon')")
