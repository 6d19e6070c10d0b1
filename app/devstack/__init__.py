"""The embedded stack: a real Postgres and a real PostgREST as child processes, for dev and tests.

    programs = find_programs(folder, environ=environ, say=print)
    with DevStack(folder, programs, environ=environ, prepare=prepare) as stack:
        stack.postgrest_url, stack.gateway_dsn, stack.jwt_secret ...

All servers listen on loopback or on private sockets, and end with the process that started them.
"""

from app.devstack.database import Database, execute
from app.devstack.demo import DemoOptions, load_demo, prepare_demo, run_demo
from app.devstack.errors import StackUnavailable
from app.devstack.mailbox import Mailbox, running_mailbox
from app.devstack.ports import free_port, is_port_free
from app.devstack.postgrest import Postgrest, PostgrestOptions
from app.devstack.stack import DevStack, Prepare, Programs, find_programs

__all__ = [
    "Database",
    "DemoOptions",
    "DevStack",
    "Mailbox",
    "Postgrest",
    "PostgrestOptions",
    "Prepare",
    "Programs",
    "StackUnavailable",
    "execute",
    "find_programs",
    "free_port",
    "is_port_free",
    "load_demo",
    "prepare_demo",
    "run_demo",
    "running_mailbox",
]
