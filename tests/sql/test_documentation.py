"""docs/sql.md: its SQL runs as it stands, and its tables say what is so."""

import re
from pathlib import Path

import pytest

from .visitors import Connection, Visitor

pytestmark = pytest.mark.anyio

DOCUMENT = (Path(__file__).parents[2] / "docs/sql.md").read_text()
EXAMPLES = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)


async def test_the_examples_run_in_order_and_do_what_they_say(connection: Connection) -> None:
    await connection.execute("delete from auth.user; drop role basic_subscriber")
    for example in EXAMPLES:
        await connection.execute(example)
    visitor = Visitor(connection)

    assert (await visitor.call("my_auth.login('demo', 'demo')")).status == 204
    assert (await visitor.call("my_auth.refresh_token()")).status == 204
    assert (await visitor.call("my_auth.logout()")).status == 204
    await connection.execute("insert into my_auth.ticket values ('code', 'demo')")
    assert [(await visitor.call("my_auth.redeem('code')")).status for _ in range(2)] == [204, 401]


async def test_the_table_of_functions_is_the_one_of_the_database(connection: Connection) -> None:
    documented = set(re.findall(r"^\| `auth\.(\w+)\(", DOCUMENT, re.MULTILINE))
    functions = await connection.fetch(
        "select proname from pg_proc where pronamespace = 'auth'::regnamespace"
    )

    assert documented == {row["proname"] for row in functions}


def test_the_table_of_settings_is_the_one_of_the_code() -> None:
    documented = set(re.findall(r"^\| `(app\.settings\.\w+)`", DOCUMENT, re.MULTILINE))
    files = (Path(__file__).parents[2] / "app/sql").glob("*.sql")
    read = {name for file in files for name in re.findall(r"'(app\.settings\.\w+)'", file.read_text())}

    assert documented == read
