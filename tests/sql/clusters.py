"""A bare Postgres cluster for the SQL tests, and the databases in it: no PostgREST, no demo."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from app.devstack import Database, Programs
from app.devstack.folders import run_folder
from app.devstack.homes import settle
from app.devstack.postgres import Postgres

EMPTY = "template0"


@dataclass(frozen=True, slots=True)
class Cluster:
    socket_folder: Path
    version: str
    log: Path

    @property
    def maintenance(self) -> Database:
        return Database("postgres", self.socket_folder)

    @contextmanager
    def database(self, template: str = EMPTY, *, options: str = "") -> Iterator[Database]:
        """A copy of a database, the empty one by default, dropped afterwards."""
        name = f"test_{token_hex(4)}"
        self.maintenance.execute(f"create database {name} template {template} {options}")
        try:
            yield Database(name, self.socket_folder)
        finally:
            self.maintenance.execute(f"drop database {name} with (force)")


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in database.fetch(query)]


@contextmanager
def running_cluster(
    folder: Path, programs: Programs, environ: Mapping[str, str], template: Path
) -> Iterator[Cluster]:
    home = settle(folder, programs.postgres, environ=environ)
    with run_folder(folder, home.account) as sockets:
        log = folder / "postgres.log"
        postgres = Postgres(home, socket_folder=sockets, log=log, environ=environ, durable=False)
        postgres.start(template=template)
        try:
            yield Cluster(sockets, postgres.version, log)
        finally:
            postgres.stop()
