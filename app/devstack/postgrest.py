"""One PostgREST in front of one database: options, start, readiness, faults for tests.

For 12.0.2 and later: all options used here have the same names from 12 to 16. The admin server, which
supports only TCP in 12.0.2, reports readiness.
"""

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from app.devstack.children import Child, without_postgres_settings
from app.devstack.database import Database
from app.devstack.errors import StackUnavailable
from app.devstack.ports import free_port, responds_ok
from app.devstack.programs import PostgrestProgram

READY_SECONDS = 20.0
POLL_SECONDS = 0.005
PORT_ATTEMPTS = 5
PORT_TAKEN = "Address"  # "... (Address in use)", "... (Address already in use)"


@dataclass(frozen=True, slots=True)
class PostgrestOptions:
    """The configuration of a PostgREST; `environ` adds or overrides PGRST_* variables."""

    jwt_secret: str
    jwt_secret_is_base64: bool = True
    public_keys: str = ""  # a JWK set that PostgREST gets in the place of the secret
    schemas: tuple[str, ...] = ("api",)
    anonymous_role: str = "anon"
    proxy_uri: str = ""
    listen: Literal["unix", "tcp"] = "unix"
    app_settings: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_base64(self) -> str:
        return "true" if self.jwt_secret_is_base64 else "false"


class Postgrest:
    def __init__(
        self,
        program: PostgrestProgram,
        database: Database,
        options: PostgrestOptions,
        *,
        socket: Path,
        log: Path,
        environ: Mapping[str, str],
    ) -> None:
        self.version = program.version
        self.database = database
        self.options = options
        self.log = log
        self._program = program
        self._socket = socket
        self._environ = without_postgres_settings(environ)
        self._port = 0
        self._admin_port = 0
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """`unix:/path` or `http://127.0.0.1:port`, the same after a restart."""
        if self.options.listen == "unix":
            return f"unix:{self._socket}"
        return f"http://127.0.0.1:{self._port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self._admin_port}"

    @property
    def pid(self) -> int:
        if self._child is None:
            raise RuntimeError("PostgREST is not started")
        return self._child.pid

    def is_running(self) -> bool:
        return self._child is not None and self._child.is_running()

    def start(self) -> None:
        """Start, and return when ready for requests, with the schema of its database loaded."""
        for _ in range(PORT_ATTEMPTS):
            self.launch()
            if self._becomes_ready():
                return
            if PORT_TAKEN not in self._output():
                break
            self._port = self._admin_port = 0
        raise self._failed("ended")

    def launch(self) -> None:
        """Start the process without waiting until it is ready, for tests without a database."""
        if self._admin_port == 0:  # the first start chooses the ports; a restart keeps them
            self._port, self._admin_port = free_port(), free_port()
        self._socket.unlink(missing_ok=True)
        self._child = Child(
            [str(self._program.path)],
            environ={**self._environ, **self._variables()},
            log=self.log,
        )

    def wait_ready(self) -> None:
        """Wait until it is ready (again), for example after an outage of its database."""
        if not self._becomes_ready():
            raise self._failed("ended")

    def is_ready(self) -> bool:
        return responds_ok(self._admin_port, "/ready") and self.is_running()

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop(signal.SIGTERM)
        self._socket.unlink(missing_ok=True)

    def crash(self) -> None:
        """End at once, as by kill -9: the socket stays."""
        if self._child is not None:
            self._child.stop(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Hang: the kernel accepts connections and bytes, and the server does not respond until `resume`."""
        if self._child is not None:
            self._child.send(signal.SIGSTOP)

    def resume(self) -> None:
        if self._child is not None:
            self._child.send(signal.SIGCONT)

    def _variables(self) -> dict[str, str]:
        options = self.options
        variables = {
            "PGRST_DB_URI": self.database.authenticator_dsn,
            "PGRST_DB_SCHEMAS": ",".join(options.schemas),
            "PGRST_DB_ANON_ROLE": options.anonymous_role,
            "PGRST_JWT_SECRET": options.public_keys or options.jwt_secret,
            "PGRST_JWT_SECRET_IS_BASE64": "false" if options.public_keys else options.is_base64,
            "PGRST_SERVER_HOST": "127.0.0.1",
            "PGRST_ADMIN_SERVER_PORT": str(self._admin_port),
            "PGRST_OPENAPI_SERVER_PROXY_URI": options.proxy_uri,
        }
        if options.listen == "unix":
            variables["PGRST_SERVER_UNIX_SOCKET"] = str(self._socket)
            variables["PGRST_SERVER_UNIX_SOCKET_MODE"] = "600"
        else:
            variables["PGRST_SERVER_PORT"] = str(self._port)
        for name, value in options.app_settings.items():
            variables[f"PGRST_APP_SETTINGS_{name.upper()}"] = value
        variables.update(options.environ)
        return {name: value for name, value in variables.items() if value}

    def _becomes_ready(self) -> bool:
        """False if the process ended instead."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            if not self.is_running():
                return False
            if time.monotonic() > deadline:
                self.stop()
                raise self._failed("was not ready in time")
            time.sleep(POLL_SECONDS)
        return True

    def _output(self) -> str:
        return self._child.output() if self._child is not None else ""

    def _failed(self, what: str) -> StackUnavailable:
        return StackUnavailable(f"PostgREST {self.version} {what}:\n{self._output().strip()}")
