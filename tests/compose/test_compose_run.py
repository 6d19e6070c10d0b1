"""The containers, started with the demo and asked through the one published port: what each may do."""

import httpx
import pytest

from compose.conftest import fill_in
from compose.containers import CommandFailed, Containers, Site

pytestmark = [pytest.mark.compose, pytest.mark.xdist_group("compose")]

SECRETS = ("POSTGATE_JWT_SECRET", "POSTGRES_PASSWORD", "AUTHENTICATOR_PASSWORD", "GATEWAY_PASSWORD")


@pytest.mark.parametrize("secret", SECRETS)
def test_without_a_secret_nothing_starts_and_the_message_names_it(
    containers: Containers, secret: str
) -> None:
    env_file = containers.env_file.with_name("without_secret")
    fill_in(env_file, dict.fromkeys(SECRETS, "x") | {secret: ""})
    without = Containers(containers.project, env_file, containers.environ)
    with pytest.raises(CommandFailed, match=f"{secret}.* is empty in .env, make env fills it in"):
        without.compose("config", "--quiet")


def test_a_bearer_token_is_relayed(site: Site) -> None:
    answer = httpx.get(f"{site.url}/rest/task", headers=site.bearer(username="nobody"))
    assert (answer.status_code, answer.json()) == (200, [])


def test_postgrest_does_not_show_the_auth_schema(site: Site) -> None:
    headers = {**site.bearer(), "Accept-Profile": "auth"}
    assert httpx.get(f"{site.url}/rest/user", headers=headers).status_code == 406


def test_only_the_gateway_publishes_a_port_and_only_one(site: Site) -> None:
    published = {
        service: sorted(container["HostConfig"]["PortBindings"] or {})
        for service, container in site.containers.inspect().items()
    }
    assert published == {"postgres": [], "migrate": [], "demo": [], "postgrest": [], "gateway": ["8000/tcp"]}


def test_no_container_may_write_gain_privileges_or_be_root(site: Site) -> None:
    for service, container in site.containers.inspect().items():
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None), service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service
        assert container["Config"]["User"] not in {"", "0", "root"}, service


def test_every_container_has_limits_of_memory_and_processes_and_logs_that_rotate(site: Site) -> None:
    for service, container in site.containers.inspect().items():
        host = container["HostConfig"]
        assert 0 < host["Memory"] <= 1 << 30, service
        assert 0 < host["PidsLimit"] <= 256, service
        assert host["LogConfig"]["Type"] == "local", service


def test_the_gateway_knows_no_password_but_its_own(site: Site) -> None:
    environment = site.containers.inspect()["gateway"]["Config"]["Env"]
    names = {assignment.partition("=")[0] for assignment in environment}
    assert {name for name in names if "PASSWORD" in name or "OWNER" in name} == {
        "PGPASSWORD",
        *(name for name in names if name.startswith("POSTGATE_PASSWORD_")),
    }


def test_each_starts_when_what_it_needs_is_there(site: Site) -> None:
    found = site.at_first
    began = {service: container["State"]["StartedAt"] for service, container in found.items()}
    assert [found[service]["State"]["ExitCode"] for service in ("migrate", "demo")] == [0, 0]
    assert began["postgres"] < began["migrate"] < found["migrate"]["State"]["FinishedAt"] < began["demo"]
    assert found["migrate"]["State"]["FinishedAt"] < began["postgrest"]
    assert max(found["demo"]["State"]["FinishedAt"], began["postgrest"]) < began["gateway"]


@pytest.mark.parametrize("again", [("migrate",), ("demo",)])
def test_what_runs_once_may_run_again(site: Site, again: tuple[str, ...]) -> None:
    before = site.containers.psql("select count(*) from api.task")
    site.containers.compose("run", "--rm", "-T", *again)
    assert site.containers.psql("select count(*) from api.task") == before


def test_migrating_again_changes_nothing(site: Site) -> None:
    again = site.containers.compose("run", "--rm", "-T", "migrate")
    assert again.strip() == "The database is up to date."


def test_check_finds_no_problem(site: Site) -> None:
    summary = site.containers.compose("exec", "-T", "gateway", "postgate", "check").splitlines()[-1]
    assert summary.startswith("0 problems")
