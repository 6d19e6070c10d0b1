"""Runs the demo with a gateway that only waits: a parent process for tests to end in every way.

Usage: devstack_parent.py FOLDER PROGRAMS PORT. Prints one line of JSON when everything is ready.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from app.devstack import DemoOptions, StackUnavailable, execute, run_demo

BARE = """
do $$ begin
  create role anon nologin;
  create role signed_in nologin;
  create role gateway login noinherit;
  create role authenticator login noinherit;
exception when duplicate_object then null; end $$;
grant anon to authenticator;
create schema if not exists auth;
create table if not exists auth.user (username text primary key, password text, role text);
create table if not exists auth.registration (mode text, role text, guest_role text);
"""


async def migrate(dsn: str) -> None:
    """As little as the demo needs."""
    await execute(dsn, BARE)


def serve(settings: Mapping[str, str]) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    sys.stdout.write(json.dumps(dict(settings)) + "\n")
    sys.stdout.flush()
    os.read(reader, 1)  # unlike signal.pause(), it also notices a signal that came just before it


def main() -> None:
    folder, programs, port = sys.argv[1:]
    options = DemoOptions(folder=Path(folder), programs=Path(programs), port=int(port))
    try:
        run_demo(options, environ=os.environ, say=lambda _: None, migrate=migrate, serve=serve)  # noqa: TID251
    except StackUnavailable as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
