"""`postgate serve` and `postgate dev` as a person starts and ends them."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from harness.relay.deadlines import wait_until
from harness.site.console import POSTGATE, SECONDS, Console, clean

from app.devstack import DevStack, Programs, free_port


@pytest.fixture
def postgate(environ: Mapping[str, str]) -> Console:
    return Console(environ)


class Process:
    def __init__(self, arguments: list[str], environ: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [POSTGATE, *arguments], env=environ, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.output or self.process.poll() is not None, text, seconds=SECONDS)
        assert text in self.output

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        status = self.process.wait(SECONDS)
        assert "Traceback" not in self.output, self.output
        return status


@contextmanager
def running(arguments: list[str], environ: Mapping[str, str], log: Path) -> Iterator[Process]:
    process = Process(arguments, environ, log)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.wait()


# --- serve


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_gateway_that_is_asked_to_end_exits_with_0(
    environ: Mapping[str, str], stack: DevStack, tmp_path: Path, number: signal.Signals
) -> None:
    port, admin_port = free_port(), free_port()
    settings = {
        **stack.gateway_environ(),
        "POSTGATE_PORT": str(port),
        "POSTGATE_ADMIN_PORT": str(admin_port),
    }
    with running(["serve"], {**clean(environ), **settings}, tmp_path / "log") as gateway:
        wait_until(lambda: status(admin_port, "/ready") == 200, "/ready", seconds=SECONDS)
        assert status(port, "/rest/task") == 401
        assert gateway.end(number) == 0
        assert stack.jwt_secret not in gateway.output


def status(port: int, path: str) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.parametrize("taken", ["port", "admin_port"])
def test_a_port_that_is_taken_is_one_sentence(postgate: Console, stack: DevStack, taken: str) -> None:
    own = {name.removeprefix("POSTGATE_").lower(): value for name, value in stack.gateway_environ().items()}
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = str(other.getsockname()[1])
        ports = {"port": "0", "admin_port": "0", taken: number}
        shown = postgate("serve", **{**own, **ports})
    assert (shown.status, shown.stdout) == (1, "")
    assert shown.stderr.startswith(f"Cannot listen on 127.0.0.1:{number}: Address already in use")
    assert len(shown.stderr.splitlines()) == 1


def test_a_host_that_is_none_is_one_sentence(postgate: Console, stack: DevStack) -> None:
    own = {name.removeprefix("POSTGATE_").lower(): value for name, value in stack.gateway_environ().items()}
    shown = postgate("serve", **{**own, "host": "nowhere.invalid"})
    assert shown.status == 1
    assert shown.stderr.startswith("Cannot listen on nowhere.invalid:8000: ")
    assert len(shown.stderr.splitlines()) == 1


# --- dev


@pytest.fixture
def machine(environ: Mapping[str, str], programs: Programs) -> dict[str, str]:
    """Where the servers are: no test of this file fetches any."""
    found = {"PG_BIN": str(programs.postgres.folder), "POSTGREST_BIN": str(programs.postgrest.path)}
    return {**clean(environ), **found}


def test_a_demo_leads_from_nothing_to_the_first_row(machine: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    url = f"http://localhost:{port}"
    own = {"POSTGATE_WORKERS": "2", "POSTGATE_ACCESS_COOKIE": "demo_access"}
    arguments = ["dev", "--port", str(port), "--folder", str(tmp_path / "demo")]
    with running(arguments, {**machine, **own}, tmp_path / "log") as demo:
        demo.wait_for("Postgate is ready")
        assert f"{url}/rpc/login" in demo.output
        with httpx.Client(base_url=url, trust_env=False) as browser:
            assert browser.get("/rest/task").status_code == 401
            answer = browser.post("/rpc/login", json={"user_": "demo", "pass": "demo"})
            assert answer.status_code == 204
            assert set(browser.cookies) == {"demo_access", "refresh_token"}  # settings of one's own apply
            rows = browser.get("/rest/task").json()
        assert {row["owner"] for row in rows} == {"demo"}
        assert registered(url, mails_of(demo.output)) == "you@example.com"
        assert demo.end(signal.SIGINT) == 0


def mails_of(output: str) -> str:
    """The address of the demo's mails as JSON."""
    return str(re.findall(r"http://localhost:\d+/dev/mails", output)[0])


def registered(url: str, mails: str) -> str:
    """Register, verify with the code of the mail, sign in: the address of who is signed in."""
    account = {"email": "you@example.com", "password": "a long walk to the sea"}
    with httpx.Client(base_url=url, trust_env=False, headers={"Content-Profile": "auth"}) as client:
        request = client.post("/rpc/register", json=account).json()["request"]
        wait_until(lambda: httpx.get(mails, trust_env=False).json(), "the mail")
        text = httpx.get(mails, trust_env=False).json()[0]["text"]
        code = re.findall(r"\b[2-9A-Z]{4}-[2-9A-Z]{4}\b", text)[0]
        assert client.post("/rpc/verify_email", json={"request": request, "code": code}).status_code == 200
        signed_in = {"user_": account["email"], "pass": account["password"]}
        assert client.post("/rpc/login", json=signed_in).status_code == 204
        return str(client.post("/rpc/me").json()["email"])


def test_a_demo_on_a_port_that_is_taken_is_one_sentence(postgate: Console, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        shown = postgate("dev", "--port", str(port), "--folder", str(tmp_path / "demo"))
    assert (shown.status, shown.stdout) == (1, "")
    assert shown.stderr.startswith(f"Port {port} is in use: ")
    assert not (tmp_path / "demo").exists()
