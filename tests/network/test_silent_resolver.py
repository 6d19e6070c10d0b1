"""A resolver that never answers costs only those who ask it: in namespaces of its own, as root on Linux."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("names_program.py")
NAMESPACES = ["unshare", "--mount", "--net"]


def missing() -> str:
    if sys.platform != "linux" or shutil.which("unshare") is None or shutil.which("ip") is None:
        return "takes Linux with unshare and ip"
    if os.geteuid() != 0:
        return "takes root to make namespaces"
    if subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode:
        return "this system lets root make no namespaces"
    return ""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if reason := missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("etc")
    files = {
        "hosts": "127.0.0.1 localhost\n127.0.0.1 goodname\n",
        "resolv.conf": "nameserver 127.0.0.77\noptions timeout:30 attempts:2\n",
        "nsswitch.conf": "hosts: files dns\n",
    }
    mounts = []
    for name, text in files.items():
        (folder / name).write_text(text)
        mounts.append(f"mount --bind {folder / name} /etc/{name}")
    script = " && ".join([*mounts, f"exec {sys.executable} {PROGRAM}"])
    ran = subprocess.run(
        [*NAMESPACES, "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=REPOSITORY,
        env={"PATH": os.defpath + ":/sbin:/usr/sbin", "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}"},
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_other_names_are_reached_at_once(measured: Any) -> None:
    assert [status for status, _ in measured["good"]] == [200] * 6
    assert max(seconds for _, seconds in measured["good"]) < 0.5


def test_a_dead_name_is_502_for_those_who_asked_within_the_time_for_connecting(measured: Any) -> None:
    assert {status for status, _ in measured["dead"]} == {502}
    assert max(seconds for _, seconds in measured["dead"]) < 3


def test_the_log_says_whose_name_has_no_answer(measured: Any) -> None:
    assert measured["reasons"] == ["the resolver does not respond for deadname.example within 0.5 s"]


def test_a_dead_name_of_the_database_stops_neither_postgrest_nor_its_probe(measured: Any) -> None:
    assert measured["ready"] == {"serving": True, "postgres": False, "postgrest": True}
    assert measured["listener"] == ["the resolver does not respond in time"]


def test_a_command_says_so_too_and_does_not_wait_for_the_resolver_at_its_end(measured: Any) -> None:
    assert "cannot connect to the database: the resolver does not respond within 5 s." in measured["check"]
    assert measured["check_seconds"] < 40  # 5 for the database; the resolver takes 60


def test_a_link_local_address_is_reached_with_its_scope(measured: Any) -> None:
    if measured["link_local"] is None:
        pytest.skip("there is no IPv6 here")
    assert measured["link_local"].startswith("fe80::1")
