"""What may be chosen: secrets in files, a second gateway with Valkey, each a set of containers of its own."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import jwt
import pytest

from app.devstack.ports import free_port
from compose.conftest import fill_in
from compose.containers import REPOSITORY, CommandFailed, Containers, wait_until

pytestmark = [pytest.mark.compose, pytest.mark.xdist_group("compose")]

VALKEY = "valkey/valkey:8"
# Where that image cannot be had: the same server from Debian, below the same name
STAND_IN = """
FROM {base}
RUN apt-get update && apt-get install -y --no-install-recommends valkey-server valkey-tools
"""
OLDEST = "v12.0.2"  # of PostgREST, that suits
CHILDREN = """
import glob
for path in glob.glob('/proc/[0-9]*/stat'):
    number, rest = open(path).read().split(' (', 1)
    name, state = rest.rsplit(') ', 1)
    if state.split()[1] == '1' and number != '1': print(number, state.split()[0])
"""
ORPHAN = """
import os, time
if os.fork() == 0:
    if os.fork() == 0: time.sleep(0.2)
    os._exit(0)
os.wait(); time.sleep(1)
"""
READERS = ("postgrest", "gateway")  # of the file jwt_secret
ERASED = "\x1b[2K"  # some releases of compose begin each line with it
DEMO = {"user_": "demo", "pass": "demo"}


@contextmanager
def started(containers: Containers) -> Iterator[Containers]:
    try:
        containers.up()
        yield containers
    finally:
        containers.down()


@pytest.fixture
def valkey(containers: Containers) -> None:
    try:
        containers.docker("image", "inspect", VALKEY)
    except CommandFailed:
        try:
            containers.docker("pull", "--quiet", VALKEY)
        except CommandFailed:
            base = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").partition("FROM ")[2].split()[0]
            build_stand_in(containers, STAND_IN.format(base=base))


def build_stand_in(containers: Containers, dockerfile: str) -> None:
    built = subprocess.run(
        ["docker", "build", "--quiet", "--tag", VALKEY, "-"],
        input=dockerfile.encode(), capture_output=True, check=False, env=containers.environ,
    )  # fmt: skip
    if built.returncode:
        pytest.skip(f"there is no {VALKEY} here, and no Debian to make one of")


def test_secrets_from_files_stand_in_no_environment(containers: Containers, tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".env.example", tmp_path)
    fill = ["sh", str(REPOSITORY / "docker/fill.sh"), "--files"]
    subprocess.run(fill, check=True, env=containers.environ | {"PROJECT_FOLDER": str(tmp_path)})
    port, folder = free_port(), tmp_path / "secrets"
    with (tmp_path / ".env").open("a") as env:
        env.write(f"POSTGATE_PORT={port}\nSECRETS_FOLDER={folder}\n")
    files = Containers(f"{containers.project}-files", tmp_path / ".env", containers.environ, "demo")
    with started(files):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as browser:
            assert browser.post("/rpc/login", json=DEMO).status_code == 204
            assert {row["owner"] for row in browser.get("/rest/task").json()} == {"demo"}
            the_secret_is_changed_and_nothing_starts_again(files, folder, browser)
            tokens = list(browser.cookies.values())
        secrets = {path.name: path.read_text().strip() for path in folder.iterdir()}
        del secrets["jwt_public"]
        inspected = str(files.inspect())
        assert len(secrets) == 7
        assert not [name for name, secret in secrets.items() if secret in inspected]
        assert "unused-" not in inspected
        said = files.compose("logs", "--no-color")
        assert not [secret for secret in [*secrets.values(), *tokens] if secret in said]


def the_secret_is_changed_and_nothing_starts_again(
    files: Containers, folder: Path, browser: httpx.Client
) -> None:
    """As docs/containers.md says; afterwards the gateway is started again if it dies."""
    before = {service: files.inspect()[service]["State"]["StartedAt"] for service in READERS}
    file, new = folder / "jwt_secret", folder / "jwt_secret.next"
    old_key = key_of(browser)
    shutil.copy(file, new)
    mine = ("--network=none", f"--user={os.getuid()}:{os.getgid()}", f"--volume={folder}:/secrets")
    files.docker("run", "--rm", *mine, files.project, "secret", "rotate", "/secrets/jwt_secret.next")
    file.write_bytes(new.read_bytes())
    new.unlink()
    public = files.docker(
        "run", "--rm", *mine, files.project, "secret", "public", "--base64", "/secrets/jwt_secret"
    )
    (folder / "jwt_public").write_text(public)
    files.psql("notify pgrst, 'reload config'")
    files.python("gateway", "import os; os.kill(1, 1)")
    wait_until(lambda: "settings_reloaded" in events(files), "the reload")
    wait_until(lambda: browser.get("/rest/task").status_code == 200, "the session of before to go on")
    assert browser.post("/rpc/login", json=DEMO).status_code == 204
    wait_until(lambda: browser.get("/rest/task").status_code == 200, "PostgREST to know the new key")
    assert key_of(browser) != old_key
    assert {service: files.inspect()[service]["State"]["StartedAt"] for service in READERS} == before
    files.kill("gateway")


def key_of(browser: httpx.Client) -> str:
    """The id of the key that signed the access token."""
    return str(jwt.get_unverified_header(browser.cookies["access_token"])["kid"])


def events(files: Containers) -> list[str]:
    """What the gateway has logged: nothing but objects of JSON, one on each line."""
    lines = files.compose("logs", "--no-color", "--no-log-prefix", "gateway").splitlines()
    return [json.loads(line.removeprefix(ERASED))["event"] for line in lines]


@pytest.mark.usefixtures("valkey")
def test_two_gateways_share_sessions_and_limits(containers: Containers, tmp_path: Path) -> None:
    ports = free_port(), free_port()
    values = {
        "POSTGATE_JWT_SECRET": os.urandom(32).hex(),
        "POSTGATE_PORT": str(ports[0]),
        "SECOND_PORT": str(ports[1]),
        "POSTGATE_RATE_LIMIT_STORAGE": "redis://valkey:6379/0",
        "POSTGATE_LOGIN_LIMIT_PAIR": "4/hour",
        "POSTGATE_WORKERS": "2",
        "POSTGREST_TAG": OLDEST,
    }
    fill_in(tmp_path / "env", values)
    scale = Containers(f"{containers.project}-scale", tmp_path / "env", containers.environ, "demo", "scale")
    with started(scale):
        assert scale.inspect()["postgrest"]["Config"]["Image"].endswith(f":{OLDEST}")
        one, two = (httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) for port in ports)
        with one, two:
            assert one.post("/rpc/login", json=DEMO).status_code == 204
            cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in one.cookies.items())}
            assert two.get("/rest/task", headers=cookies).status_code == 200
            assert one.post("/rpc/logout").status_code == 204
            wait_until(
                lambda: two.get("/rest/task", headers=cookies).status_code == 401, "the other to refuse"
            )
            wrong = DEMO | {"pass": "wrong"}
            tries = [browser.post("/rpc/login", json=wrong).status_code for browser in (one, two) * 4]
            assert sorted(tries)[-3:] == [429] * 3
            assert tries.count(401) <= 4
            assert scale.compose("exec", "-T", "valkey", "valkey-cli", "dbsize").strip() != "0"
            # It heals too, and meanwhile nobody is locked out
            assert one.post("/rpc/login", json={"user_": "alice", "pass": "alice"}).status_code == 204
            scale.kill("valkey")
            assert two.post("/rpc/login", json={"user_": "alice", "pass": "alice"}).status_code == 204
        workers_that_die_are_replaced_and_leave_no_zombie(scale)


def workers_that_die_are_replaced_and_leave_no_zombie(scale: Containers) -> None:
    """Process 1 supervises its workers here, and takes the status of orphans beside theirs."""
    before = children(scale)
    scale.python("gateway", ORPHAN)
    victim = max(before, key=int)
    scale.python("gateway", f"import os; os.kill({victim}, 9)")
    wait_until(
        lambda: len(children(scale)) == len(before) and victim not in children(scale), "another worker"
    )
    wait_until(lambda: "Z" not in children(scale).values(), "the end of zombies")
    scale.compose("stop", "gateway")
    assert scale.inspect()["gateway"]["State"]["ExitCode"] == 0


def children(scale: Containers) -> dict[str, str]:
    """The children of process 1 by number, with their state."""
    return {words[0]: words[1] for words in map(str.split, scale.python("gateway", CHILDREN).splitlines())}


def test_a_second_gateway_without_a_store_in_common_does_not_start(
    containers: Containers, tmp_path: Path
) -> None:
    fill_in(tmp_path / "env", {"POSTGATE_JWT_SECRET": os.urandom(32).hex()})
    scale = Containers(containers.project, tmp_path / "env", containers.environ, "scale")
    told = scale.compose("config")
    assert "POSTGATE_RATE_LIMIT_STORAGE: to be set for both gateways" in told
