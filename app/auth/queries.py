"""How the gateway's statements run: with a fixed search path, unlogged, and unnamed on the server.

Each statement names the schema of every function, operator, type and relation; the path is the second
barrier. asyncpg names its prepared statements. A called function can deallocate such a name and prepare
another statement under it. The gateway's next call would run that statement, as the gateway's login and with
the secret and the client's password as parameters. SQL cannot prepare the unnamed statement.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"  # generic in its stubs alone

# A path that does not name pg_temp searches it first, for relations and types
# (https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SEARCH-PATH; CVE-2018-1058)
GATEWAY_PATH: Final = "pg_catalog, pg_temp"

# Any role may change these two, and both can write values into the server's log: the secret, a password
UNLOGGED: Final = (("log_parameter_max_length_on_error", "0"), ("debug_print_plan", "off"))


async def fetch_row(connection: Connection, statement: str, *values: object) -> Any:
    """The first row; None if there is none. Raises what asyncpg raises."""
    unnamed = await connection.prepare(statement, name="")
    return await unnamed.fetchrow(*values)


async def fetch(connection: Connection, statement: str, *values: object) -> Sequence[Any]:
    """All rows. Raises what asyncpg raises."""
    unnamed = await connection.prepare(statement, name="")
    return await unnamed.fetch(*values)
