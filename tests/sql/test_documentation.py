"""docs/sql.md: its SQL runs as it stands, and its tables say what is so."""

import re
from pathlib import Path

import pytest

from .visitors import RESTORE_THE_COST, Connection, Visitor

pytestmark = pytest.mark.anyio

DOCUMENT = (Path(__file__).parents[2] / "docs/sql.md").read_text()
FILES = sorted((Path(__file__).parents[2] / "app/sql").glob("*/*.sql"))
CALLS = r"record_(?:session_)?event(?:_once)?\((.*?)\);|kind not in \((.*?)\)"  # what names a kind of event
EXAMPLES = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)


async def test_the_examples_run_in_order_and_do_what_they_say(connection: Connection) -> None:
    await connection.execute("delete from auth.user; drop role basic_subscriber")
    for example in EXAMPLES:
        await connection.execute(example)
    visitor = Visitor(connection)

    assert (await visitor.call("my_auth.login('demo', 'demo')")).status == 204
    assert (await visitor.call("my_auth.refresh_token()")).status == 204
    assert (await visitor.call("my_auth.logout()")).status == 204
    await connection.execute("insert into my_auth.ticket select 'code', id from auth.user")
    assert [(await visitor.call("my_auth.redeem('code')")).status for _ in range(2)] == [204, 401]
    await connection.execute("set local session authorization gateway")
    assert len(await connection.fetch("select sid, seconds from my_auth.ended_sessions()")) == 1
    await connection.execute("select my_auth.note_failure('sign_in_failed', 'demo', '', '')")


async def test_the_table_of_functions_is_the_one_of_the_database(connection: Connection) -> None:
    documented = set(re.findall(r"^\| `auth\.(\w+)\(", DOCUMENT, re.MULTILINE))
    functions = await connection.fetch(
        "select proname from pg_proc where pronamespace = 'auth'::regnamespace"
    )

    assert documented == {row["proname"] for row in functions}


async def test_the_table_of_settings_of_the_owner_is_the_one_of_the_database(connection: Connection) -> None:
    documented = re.findall(
        r"^\| `(\w+)` \| (\d+) (\w+) \| (\d+) to (\d+) \| (.*) \|$", DOCUMENT, re.MULTILINE
    )
    await connection.execute(RESTORE_THE_COST)
    rows = await connection.fetch(
        "select name, default_value::text, unit, lowest::text, highest::text, meaning from auth.setting"
    )

    assert sorted(documented) == sorted(tuple(row.values()) for row in rows)


def test_the_kinds_of_events_are_the_ones_of_the_code() -> None:
    (section,) = re.findall(r"^## Events\n(.*?)^## ", DOCUMENT, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    documented = {kind for row in rows[1:] for kind in re.findall(r"`(\w+)`", row)}
    recorded = {
        kind
        for file in FILES
        for call in re.findall(CALLS, file.read_text(), re.DOTALL)
        for kind in re.findall(r"'(\w+)'", "".join(call))
    }

    # Names of operations, of settings and of reasons stand in these calls as well
    assert documented <= recorded
    assert recorded - documented <= {"UPDATE"}


def test_the_reasons_for_an_end_are_the_ones_of_the_code() -> None:
    (section,) = re.findall(r"^### The end of a session\n(.*?)^### ", DOCUMENT, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    documented = {reason for row in rows[1:] for reason in re.findall(r"`(\w+)`", row)}
    calls = r"perform auth_private\.end_(?:session|sessions_of_subject|listed_sessions)\((.*?)\);"
    given = {
        reason
        for file in FILES
        for call in re.findall(calls, file.read_text(), re.DOTALL)
        for reason in re.findall(r"'(\w+)'", call)
    }

    assert documented - {"ended_by_owner"} == given | {"session_ended"}


def test_the_table_of_settings_is_the_one_of_the_code() -> None:
    documented = set(re.findall(r"^\| `(app\.settings\.\w+)`", DOCUMENT, re.MULTILINE))
    read = {name for file in FILES for name in re.findall(r"'(app\.settings\.\w+)'", file.read_text())}

    assert documented == read
