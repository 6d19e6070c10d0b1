"""The containers, started with the command of the README and asked through the one published port."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from compose.conftest import USER_PASSWORD, Site, fill_in
from compose.containers import CommandFailed, Containers

pytestmark = [pytest.mark.compose, pytest.mark.xdist_group("compose")]

NAPPING = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and usename = 'authenticator'"
DEADLINE_SECONDS = 20


def test_without_a_secret_nothing_starts_and_the_message_names_it(containers: Containers) -> None:
    env_file = containers.env_file.with_name("without_secret")
    fill_in(env_file, {"POSTGATE_JWT_SECRET": ""})
    without = Containers(containers.project, env_file, containers.environ)
    with pytest.raises(CommandFailed, match="POSTGATE_JWT_SECRET"):
        without.compose("config", "--quiet")


def test_a_user_signs_in_and_writes_and_reads_through_the_published_port(site: Site) -> None:
    with httpx.Client(base_url=site.url) as browser:
        assert browser.get("/rest/note").status_code == 401
        login = browser.post("/rpc/login", json={"user_": "demo", "pass": USER_PASSWORD})
        assert login.status_code == 204
        assert browser.post("/rest/note", json={"body": "hello"}).status_code == 201
        rows = browser.get("/rest/note", params={"body": "eq.hello"})
        assert (rows.status_code, rows.json()) == (200, [{"owner": "demo", "body": "hello"}])


def test_a_bearer_token_is_relayed(site: Site) -> None:
    answer = httpx.get(f"{site.url}/rest/note", headers=site.bearer(username="nobody"))
    assert (answer.status_code, answer.json()) == (200, [])


def test_postgrest_does_not_show_the_auth_schema(site: Site) -> None:
    headers = {**site.bearer(), "Accept-Profile": "auth"}
    assert httpx.get(f"{site.url}/rest/user", headers=headers).status_code == 406


def test_only_the_gateway_publishes_a_port_and_only_one(site: Site) -> None:
    published = {
        service: sorted(container["HostConfig"]["PortBindings"] or {})
        for service, container in site.containers.inspect().items()
    }
    assert published == {"postgres": [], "migrate": [], "postgrest": [], "gateway": ["8000/tcp"]}


def test_no_container_may_write_gain_privileges_or_be_root(site: Site) -> None:
    for service, container in site.containers.inspect().items():
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None), service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service
        assert container["Config"]["User"] not in {"", "0", "root"}, service


def test_the_gateway_knows_no_password_but_its_own(site: Site) -> None:
    environment = site.containers.inspect()["gateway"]["Config"]["Env"]
    names = {assignment.partition("=")[0] for assignment in environment}
    assert {name for name in names if "PASSWORD" in name or "OWNER" in name} == {"PGPASSWORD"}


def test_migrating_again_changes_nothing(site: Site) -> None:
    again = site.containers.compose("run", "--rm", "-T", "migrate")
    assert again.strip() == "The database is up to date."


def test_check_finds_no_problem(site: Site) -> None:
    summary = site.containers.compose("exec", "-T", "gateway", "postgate", "check").splitlines()[-1]
    assert summary.startswith("0 problems")


def test_a_stop_answers_what_is_under_way(site: Site) -> None:
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(
            httpx.post, f"{site.url}/rpc/nap", json={"seconds": 4}, headers=site.bearer(), timeout=30
        )
        try:
            wait_for_nap(site.containers)
            site.containers.compose("stop", "gateway")
            state = site.containers.inspect()["gateway"]["State"]
            assert under_way.result().status_code == 204
            assert (state["Status"], state["ExitCode"]) == ("exited", 0)
        finally:
            site.containers.compose("up", "--wait", "gateway")


def wait_for_nap(containers: Containers) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while containers.psql(NAPPING) == "0":
        assert time.monotonic() < deadline, "the request never reached the database"
