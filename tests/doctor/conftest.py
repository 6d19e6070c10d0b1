"""One database for each test, from the prepared one: what `postgate migrate` makes, and the demo."""

import pytest

from app.devstack import Database, DevStack
from doctor.harness import Environ, Patient


@pytest.fixture
def environ_of_all(stack: DevStack, database: Database) -> Environ:
    return {
        **stack.gateway_environ(),
        "POSTGATE_DATABASE_URL": database.gateway_dsn,
        "POSTGATE_OWNER_DATABASE_URL": database.owner_dsn,
        "POSTGATE_AUTHENTICATOR_DATABASE_URL": database.authenticator_dsn,
    }


@pytest.fixture
def patient(database: Database, environ_of_all: Environ) -> Patient:
    return Patient(database, environ_of_all)
