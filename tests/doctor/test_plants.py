"""Each mistake by itself: found, alone, and gone once what the doctor says is done, as it is printed."""

from collections.abc import Iterator

import pytest

from app.cli import doctor
from app.diagnostics.check import Level, run_checks
from app.diagnostics.doctor import RULES, Finding
from app.settings import load_settings
from doctor.harness import Patient
from doctor.plants import PLANTS, Plant

pytestmark = pytest.mark.anyio

# Where planting takes another server, or settings: test_servers.py
ELSEWHERE = {"PD001", "PD002", "PD003", "PD004", "PD104", "PD301", "PD302", "PD801"}


@pytest.fixture(params=PLANTS, ids=lambda plant: plant.name)
def plant(request: pytest.FixtureRequest, patient: Patient) -> Iterator[Plant]:
    planted: Plant = request.param
    patient.plant(planted.sql)
    yield planted
    if planted.undo:
        patient.plant(planted.undo)


async def test_it_is_found_alone_and_mended_by_what_the_doctor_says(plant: Plant, patient: Patient) -> None:
    report = await patient.examine(auth_schema=plant.auth_schema)
    expected = [(plant.code, plant.where.replace("{database}", patient.database.name))]
    hooked = [("PD507", "role authenticator")] if "set pgrst.db_" in plant.sql and not plant.mend else []
    assert sorted(report.told) == sorted({*expected, *plant.also, *hooked})

    statements = printed(report.of(plant.code))
    assert statements or plant.mend  # a statement or, where none can, words: PD404 by the server's version
    assert not (statements and plant.mend) or plant.code == "PD404"
    for statement in statements or [plant.mend]:
        patient.plant(statement)
    assert (await patient.examine(auth_schema=plant.auth_schema)).told == hooked
    assert await problems(patient) == []


def printed(finding: Finding) -> list[str]:
    """The statements under a finding, as a terminal shows them."""
    _, _, below = doctor.entry(finding, finding.severity.value).partition(f"-> {finding.fix}")
    return below.split("\n")[1:]


async def problems(patient: Patient) -> list[str]:
    """What `postgate check` says is wrong."""
    found = await run_checks(load_settings(patient.environ))
    return [finding.text for finding in found if finding.level is Level.PROBLEM]


def test_every_rule_is_planted() -> None:
    assert {plant.code for plant in PLANTS} | ELSEWHERE == set(RULES)
    assert not {plant.code for plant in PLANTS} & ELSEWHERE
