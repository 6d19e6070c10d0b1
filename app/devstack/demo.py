"""The demo: the embedded stack with a small task list, behind a gateway.

The caller passes the functions that migrate the database and serve the gateway. The accounts in demo.sql have
weak passwords; only the embedded stack and the containers' demo load that file.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from app.devstack.database import execute
from app.devstack.errors import StackUnavailable
from app.devstack.installs import Say
from app.devstack.ports import free_port, is_port_free, responds_ok
from app.devstack.postgrest import PostgrestOptions
from app.devstack.stack import DevStack, Prepare, find_programs
from app.operator.new_keys import new_jwk
from app.settings.keys import read_ring, write_ring

DEMO_SQL = Path(__file__).with_name("demo.sql")
REGISTRATION_SQL = Path(__file__).with_name("registration.sql")
POLL_SECONDS = 0.02
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FORCING_SIGNALS = 2

Serve = Callable[[Mapping[str, str]], None]  # runs a gateway with these POSTGATE_* variables until it ends

MAILBOX = """
Register; the request in the response and the code in the mail verify the address, and you can sign in:
  curl -H 'Content-Profile: auth' -H 'Content-Type: application/json' \\
    -d '{{"email":"you@example.com","password":"a long walk to the sea"}}' {url}/rpc/register
  curl -H 'Content-Profile: auth' -H 'Content-Type: application/json' \\
    -d '{{"request":"REQUEST","code":"CODE"}}' {url}/rpc/verify_email
Mails of the demo, as a page and as JSON:
  http://localhost:{port}/dev/mailbox
  http://localhost:{port}/dev/mails
"""

WHAT_TO_TRY = """
Postgate is ready on {url} after {seconds:.1f} s. Ctrl-C stops all servers; {folder} keeps the data.
Accounts: demo/demo and alice/alice.

Sign in, and keep the cookies:
  curl -i -c cookies.txt -H 'Content-Profile: auth' -H 'Content-Type: application/json' \\
    -d '{{"user_":"demo","pass":"demo"}}' {url}/rpc/login
Your tasks only; without the cookie, 401:
  curl -b cookies.txt {url}/rest/task
  curl -i {url}/rest/task
A new task:
  curl -b cookies.txt -H 'Content-Type: application/json' -H 'Prefer: return=representation' \\
    -d '{{"title":"Try Postgate"}}' {url}/rest/task
A function, under either path:
  curl -b cookies.txt '{url}/rpc/add?a=1&b=2'
  curl -b cookies.txt -X POST {url}/rest/rpc/whoami
The description of the API (OpenAPI):
  curl {url}/rest/
New tokens for the session, and sign-out:
  curl -i -b cookies.txt -c cookies.txt -H 'Content-Profile: auth' -X POST {url}/rpc/refresh_token
  curl -i -b cookies.txt -c cookies.txt -H 'Content-Profile: auth' -X POST {url}/rpc/logout
"""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    port: int = 8000
    host: str = "127.0.0.1"
    folder: Path = Path(".postgate")
    smtp_port: int | None = None  # of the mailbox
    programs: Path | None = None  # where missing servers are downloaded; by default below `folder`


def run_demo(
    options: DemoOptions, *, environ: Mapping[str, str], say: Say, migrate: Prepare, serve: Serve
) -> None:
    """Start all servers, print what to try, and serve until Ctrl-C or SIGTERM. No process stays.

    Raises StackUnavailable if it cannot start.
    """
    _check_port(options.port)
    began = time.monotonic()
    url = f"http://localhost:{options.port}"

    def postgrest_options(secret: str) -> PostgrestOptions:
        return replace(postgrest_of(secret), proxy_uri=f"{url}/rest")

    with _signals_as_interrupts() as take_again, suppress(KeyboardInterrupt):
        try:
            programs = find_programs(
                options.programs or options.folder / "programs", environ=environ, say=say
            )
            with DevStack(
                options.folder,
                programs,
                environ=environ,
                prepare=_prepare_open_demo(migrate),
                options=postgrest_options,
                new_secret=new_key_pair,
                say=say,
            ) as stack:
                own = _own_settings(environ)
                settings = {**_mail_settings(options, url), **own, **_settings(options, stack)}
                port = int(settings["POSTGATE_ADMIN_PORT"])

                def announce() -> None:
                    seconds = time.monotonic() - began
                    mailbox = MAILBOX.format(url=url, port=port) if options.smtp_port is not None else ""
                    say(WHAT_TO_TRY.format(url=url, folder=options.folder, seconds=seconds) + mailbox)

                with _announced(port, announce):
                    serve(settings)
                take_again()
        except KeyboardInterrupt:
            say("stopped")


def new_key_pair() -> str:
    """A ring of one private key, for the gateway alone."""
    return write_ring([new_jwk("ES256", datetime.now(UTC))], is_base64=False)


def postgrest_of(secret: str) -> PostgrestOptions:
    """A PostgREST that gets no more than it needs to verify the gateway's tokens."""
    ring = read_ring(secret, is_base64=True)
    public = "" if ring.signing.is_symmetric else ring.public_set()
    return PostgrestOptions(jwt_secret=secret, public_keys=public)


def prepare_demo(migrate: Prepare) -> Prepare:
    """A function that fills a database for the demo: the migrations, then the task list."""

    async def prepare(dsn: str) -> None:
        await migrate(dsn)
        await load_demo(dsn)

    return prepare


def _prepare_open_demo(migrate: Prepare) -> Prepare:
    """As `prepare_demo`, with open registration."""

    async def prepare(dsn: str) -> None:
        await prepare_demo(migrate)(dsn)
        await execute(dsn, REGISTRATION_SQL.read_text())

    return prepare


async def load_demo(dsn: str) -> None:
    await execute(dsn, DEMO_SQL.read_text())


def _check_port(port: int) -> None:
    try:
        free = is_port_free(port)
    except OSError as error:  # for example below 1024
        raise StackUnavailable(f"Port {port} cannot be used: {error.strerror}.") from error
    if not free:
        raise StackUnavailable(
            f"Port {port} is in use: stop the program that listens there, or choose another port (make demo "
            f"PORT={port + 123}, or postgate dev --port {port + 123})."
        )


def _settings(options: DemoOptions, stack: DevStack) -> dict[str, str]:
    beside = options.port + 1
    return {
        **stack.gateway_environ(),
        "POSTGATE_HOST": options.host,
        "POSTGATE_PORT": str(options.port),
        "POSTGATE_ADMIN_HOST": "127.0.0.1",
        "POSTGATE_ADMIN_PORT": str(beside if is_port_free(beside) else free_port()),
        "POSTGATE_WORKERS": "1",  # more workers would read their settings from the environment
    }


def _mail_settings(options: DemoOptions, url: str) -> dict[str, str]:
    """Settings to send mails to the mailbox; those of the caller come first."""
    if options.smtp_port is None:
        return {}
    return {
        "POSTGATE_SMTP_URL": f"smtp://127.0.0.1:{options.smtp_port}",
        "POSTGATE_MAIL_FROM": "Postgate <postgate@localhost>",
        "POSTGATE_PUBLIC_URL": url,
    }


def _own_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's POSTGATE_* variables without _FILE: POSTGATE_JWT_SECRET_FILE would conflict with ours."""
    return {
        name: value
        for name, value in environ.items()
        if name.startswith("POSTGATE_") and not name.endswith("_FILE")
    }


@contextmanager
def _announced(admin_port: int, announce: Callable[[], None]) -> Iterator[None]:
    """Call `announce` in a thread when the gateway, which blocks this one, is ready."""
    has_ended = threading.Event()

    def watch() -> None:
        while not has_ended.wait(POLL_SECONDS):
            if responds_ok(admin_port, "/ready"):
                announce()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        has_ended.set()
        watcher.join()


@contextmanager
def _signals_as_interrupts() -> Iterator[Callable[[], None]]:
    """Let every request to stop unwind the stack as Ctrl-C does.

    A shell starts background jobs with SIGINT ignored, so handlers are always installed. A second request
    kills servers that do not end. Further ones are ignored, so that the clean-up completes. Yields a function
    that installs the handlers again after other code has replaced them.
    """
    left = _FORCING_SIGNALS
    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    taken = [
        number
        for number, handler in before.items()
        if number is not signal.SIGHUP or handler is not signal.SIG_IGN  # nohup: do not end with the terminal
    ]

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise KeyboardInterrupt

    def take() -> None:
        for number in taken:
            signal.signal(number, interrupt)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, taken)

    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    take()
    try:
        yield take
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
