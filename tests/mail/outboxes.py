"""A database's outbox in tests: rows to send, and what became of them."""

from app.devstack import Database

ENQUEUE = """
with code as (
  insert into auth.one_time_code (purpose, address, expires_at)
  values ('{purpose}', '{address}', now() + interval '10 minutes')
  returning id
)
insert into auth.outbox (purpose, code_id, address, language, data)
select '{purpose}', code.id, '{address}', {language}, '{{"username": "demo"}}' from code;
"""
DUE = "update auth.outbox set next_attempt_at = now() where sent_at is null and failed_at is null"


def enqueue(database: Database, *addresses: str, purpose: str = "sign_in", language: str = "null") -> None:
    """A mail to each address, in one transaction."""
    statements = [
        ENQUEUE.format(purpose=purpose, address=address, language=language) for address in addresses
    ]
    database.execute("".join(statements))


def states(database: Database) -> dict[str, tuple[str, str | None]]:
    """By address: sent, failed or waiting, and the last error."""
    rows = database.fetch(
        "select address, case when sent_at is not null then 'sent' when failed_at is not null then 'failed'"
        " else 'waiting' end as state, last_error from auth.outbox"
    )
    return {row["address"]: (row["state"], row["last_error"]) for row in rows}


def all_sent(database: Database) -> bool:
    return {state for state, _ in states(database).values()} == {"sent"}
