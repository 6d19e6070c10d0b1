"""One database for each test, from the prepared one: what `postgate migrate` makes, and the demo."""

import pytest

from app.devstack import Database, DevStack
from doctor.harness import CLOSE_PUBLIC, Environ, Patient

# "demo" at cost 10, as strong as the doctor wants it; the other tests go below that
SOUND_HASHES = """
create or replace function auth_private.bcrypt_cost() returns integer language sql immutable return 10;
update auth.user set password = '$2a$10$iSR5BACCqclH1KYRnouAP.GIV4XDxgODjRs.ByZGYO9oYNVTG6xIm';
"""


@pytest.fixture
def environ_of_all(stack: DevStack, database: Database) -> Environ:
    database.execute(CLOSE_PUBLIC + SOUND_HASHES)
    return {
        **stack.gateway_environ(),
        "POSTGATE_DATABASE_URL": database.gateway_dsn,
        "POSTGATE_OWNER_DATABASE_URL": database.owner_dsn,
        "POSTGATE_AUTHENTICATOR_DATABASE_URL": database.authenticator_dsn,
    }


@pytest.fixture
def patient(database: Database, environ_of_all: Environ) -> Patient:
    return Patient(database, environ_of_all)
