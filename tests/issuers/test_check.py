"""`postgate check` reports issuers whose tokens no function admits."""

import json

import pytest
from harness.relay.gateway import settings_for

from app.database import connected
from app.devstack import Database
from app.diagnostics.check import issuers
from app.diagnostics.check.findings import Level

pytestmark = pytest.mark.anyio

SETTINGS = settings_for(
    "http://127.0.0.1:1", issuers=json.dumps([{"issuer": "https://id.test", "audience": "api"}])
)


async def admits(database: Database) -> bool:
    async with connected(database.gateway_dsn) as connection:
        return await issuers.look(connection, SETTINGS)


@pytest.mark.parametrize(
    "change",
    [
        "drop function auth.admit(jsonb)",
        "revoke execute on function auth.admit(jsonb) from anon",
        "drop function auth.admit(jsonb); create function auth.admit(c jsonb) returns jsonb return c",
    ],
)
async def test_a_function_that_cannot_be_called_is_seen(database: Database, change: str) -> None:
    assert await admits(database)
    database.execute(change)
    assert not await admits(database)


def test_it_is_a_problem_only_with_issuers() -> None:
    (finding,) = issuers.judge(SETTINGS, admits=False)
    assert finding.level is Level.PROBLEM
    assert finding.text.startswith("POSTGATE_ISSUERS is set, and the role anon may call no auth.admit")
    assert issuers.judge(SETTINGS, admits=True) == []
    assert issuers.judge(settings_for("http://127.0.0.1:1"), admits=False) == []
