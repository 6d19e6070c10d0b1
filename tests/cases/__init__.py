import pytest

# A failed check shows what it compared, also where the checks stand beside the faults.
pytest.register_assert_rewrite(
    "cases.stage",
    "cases.faults_answers",
    "cases.faults_client",
    "cases.faults_gateway",
    "cases.faults_outages",
)
