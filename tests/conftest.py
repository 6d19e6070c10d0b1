"""What every test may stand on: an event loop, and a real Postgres with a real PostgREST.

One stack for each pytest-xdist worker, made at its first use. Tests that change data or settings take
`database`, their own copy of the migrated and filled one, or start a stack of their own.
"""

import importlib
import os
import signal
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import pytest

from app.devstack import (
    Database,
    DevStack,
    PostgrestOptions,
    Prepare,
    Programs,
    execute,
    find_programs,
    ports,
    prepare_demo,
)

REPOSITORY = Path(__file__).parents[1]
LEADING_ASTRAY = frozenset(
    {
        "PYTHONOPTIMIZE",
        "PYTHONWARNINGS",
        "PYTHONDEVMODE",
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
        "LC_ALL",
        "LANGUAGE",
    }
)

# Many containers forbid it. Each test process would compile every module, and pytest rewrite every test,
# at every start: half a minute of CPU in a run
sys.dont_write_bytecode = False

# Folders whose files take longest. Begun last, one of those files would keep one process busy alone
LONGEST = (
    "robustness",
    "system",
    "doctor",
    "front",
    "browser",
    "server",
    "cases",
    "scale",
    "sql",
    "auth",
    "network",
)

# 1 ms for a login instead of 0.29 s, and for each account of the demo; and passwords as short as theirs
CHEAP_HASHES = """
create or replace function auth_private.bcrypt_cost() returns integer
  language sql immutable
  return 4;
create or replace function auth_private.password_length() returns integer
  language sql immutable
  return 1;
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--compiled", action="store_true", help="the hot path must be the compiled one")


def pytest_configure() -> None:
    """Let no test depend on what the test run inherited: what it starts inherits from it in turn.

    A shell starts background jobs with SIGINT ignored, and a caller's proxies, PGHOST or POSTGATE_* would
    reach clients and servers under test. tests/system/test_surroundings.py inherits such things on purpose.
    """
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) in {signal.SIG_IGN, signal.SIG_DFL}:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o022)
    for name in list(os.environ):  # noqa: TID251
        is_proxy = name.lower().endswith("_proxy")
        is_setting = name.startswith(("POSTGATE_", "PG")) and name != "PG_BIN"
        if is_proxy or is_setting or name in LEADING_ASTRAY:
            del os.environ[name]  # noqa: TID251
    _draw_ports_apart()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: pytest-xdist hands files out in this order (--no-loadscope-reorder)."""
    rank = {REPOSITORY / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.parent, len(LONGEST)))


def _draw_ports_apart() -> None:
    """Give each process of pytest-xdist ports of its own: two would now and then choose the same one."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))  # noqa: TID251
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # noqa: TID251
    share = (ports.HIGHEST_PORT - ports.LOWEST_PORT + 1) // count
    ports.LOWEST_PORT += worker * share
    ports.HIGHEST_PORT = ports.LOWEST_PORT + share - 1


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say which build is tested, and fail if it is not the one that was asked for."""
    if session.config.getoption("--compiled") and (plain := plain_modules()):
        pytest.exit(f"--compiled: run `make compile`, and with PYTHONPATH=build/compiled; plain: {plain}", 4)


def plain_modules() -> list[str]:
    """Those of the hot path that are not compiled."""
    build = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    names = [
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for pattern in build["targets"]["wheel"]["hooks"]["custom"]["compile"]
        for path in REPOSITORY.glob(pattern)
        if path.name != "__init__.py"
    ]
    assert names
    return [name for name in names if str(importlib.import_module(name).__file__).endswith(".py")]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def environ() -> Mapping[str, str]:
    """The environment of the test run: where this machine's programs are found."""
    return MappingProxyType(dict(os.environ))  # noqa: TID251


@pytest.fixture(scope="session")
def programs_folder() -> Path:
    """Where servers that this machine lacks are fetched to, once for all test runs."""
    return REPOSITORY / ".postgate/programs"


@pytest.fixture(scope="session")
def programs(programs_folder: Path, environ: Mapping[str, str]) -> Programs:
    return find_programs(programs_folder, environ=environ, say=print)


@pytest.fixture(scope="session")
def cluster_template(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """An empty cluster, made once in a test run: copying it takes a tenth of making another."""
    base = tmp_path_factory.getbasetemp()
    return (base if worker_id == "master" else base.parent) / "cluster_template"


@pytest.fixture(scope="session")
def prepare() -> Prepare:
    """Fill a database as `postgate dev` does, but with the cheapest password hashes allowed."""
    from app.operator.migrations import migrate  # noqa: PLC0415 (most tests need no database)

    async def migrate_cheaply(dsn: str) -> None:
        await migrate(dsn)
        await execute(dsn, CHEAP_HASHES)

    return prepare_demo(migrate_cheaply)


class MakeStack(Protocol):
    def __call__(self, folder: Path, *, prepare: Prepare, keep: bool = False) -> DevStack: ...


@pytest.fixture
def make_stack(programs: Programs, environ: Mapping[str, str], cluster_template: Path) -> MakeStack:
    """Make a stack of one's own, to stop and break: ready in 0.2 s plus what `prepare` takes."""

    def make(folder: Path, *, prepare: Prepare, keep: bool = False) -> DevStack:
        return DevStack(
            folder,
            programs,
            environ=environ,
            prepare=prepare,
            template=cluster_template,
            durable=False,
            keep=keep,
        )

    return make


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory,
    programs: Programs,
    environ: Mapping[str, str],
    cluster_template: Path,
    prepare: Prepare,
) -> Iterator[DevStack]:
    """Migrated, filled with the demo, and served by PostgREST over TCP. Others use it as well."""
    with DevStack(
        tmp_path_factory.mktemp("stack"),
        programs,
        environ=environ,
        prepare=prepare,
        options=lambda secret: PostgrestOptions(jwt_secret=secret, listen="tcp"),
        template=cluster_template,
        durable=False,
        keep=False,
    ) as running:
        yield running


@pytest.fixture
def database(stack: DevStack) -> Iterator[Database]:
    """A database of one's own in the shared cluster: migrated, filled, dropped afterwards."""
    with stack.fresh_database() as own:
        yield own
