import pytest

# A failed check shows what it compared, also where the checks stand beside the faults.
pytest.register_assert_rewrite(
    "cases.calling",
    "cases.stage",
    "cases.faults_answers",
    "cases.faults_client",
    "cases.faults_database",
    "cases.faults_functions",
    "cases.faults_gateway",
    "cases.faults_limits",
    "cases.faults_login",
    "cases.faults_logout",
    "cases.faults_names",
    "cases.faults_outages",
    "cases.faults_process",
    "cases.faults_rotation",
    "cases.faults_sessions",
    "cases.faults_settings",
)
