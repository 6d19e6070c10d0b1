"""How the gateway's own statements run: under which path, unlogged, and without a name on the server.

Each of them names the schema of every function, operator, type and relation; the path is the second barrier.
asyncpg keeps statements prepared by name. A called function can deallocate such a name and prepare a
statement of its choice under it: the gateway's next call would run that, as the gateway's login and with the
secret and the client's password as parameters. The unnamed statement cannot be prepared from SQL.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"  # generic in its stubs alone

# pg_temp is named because it is searched first, for relations and types, where it is not
# (https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SEARCH-PATH; CVE-2018-1058)
GATEWAY_PATH: Final = "pg_catalog, pg_temp"

# Any user may change these two, and both would write values into the server's log: the secret, a password
UNLOGGED: Final = (("log_parameter_max_length_on_error", "0"), ("debug_print_plan", "off"))


async def fetch_row(connection: Connection, statement: str, *values: object) -> Any:
    """The first row; None if there is none. Raises what asyncpg raises."""
    unnamed = await connection.prepare(statement, name="")
    return await unnamed.fetchrow(*values)


async def fetch(connection: Connection, statement: str, *values: object) -> Sequence[Any]:
    """All rows. Raises what asyncpg raises."""
    unnamed = await connection.prepare(statement, name="")
    return await unnamed.fetch(*values)
