"""Cases that are not played here, and the tests that show them. None is dropped without a word.

A test is named as pytest names it, from the repository's root, without its parameters.
"""

import ast
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_SETTINGS = "tests/test_settings.py::"
_PASSWORDS = "tests/sql/test_passwords.py::"
_CORS = "tests/system/test_compared_headers.py::TestCors::"
_CHECK = "tests/system/test_cli_check.py::"

ELSEWHERE = {
    "G29": [
        "tests/scale/test_pooler.py::test_the_whole_story_goes_through_it",
        "tests/scale/test_pooler.py::test_many_calls_at_once_over_few_connections_are_each_their_own",
    ],
    "H01": [
        f"{_SETTINGS}test_a_weak_secret_is_refused",
        "tests/test_settings_keys.py::test_a_key_that_postgrest_would_not_take_is_refused",
    ],
    "H02": [
        f"{_SETTINGS}test_what_must_be_set_is_missed",
        f"{_SETTINGS}test_blanks_are_no_secret",
        f"{_SETTINGS}test_a_base64_secret_is_read_as_postgrest_reads_it",
        "tests/system/test_cli.py::test_settings_that_cannot_be_used_are_told_at_once_and_never_by_value",
    ],
    "H05": [
        "tests/system/test_readiness.py::test_a_secret_that_postgrest_does_not_share_keeps_clients_away_until_it_does",
        f"{_CHECK}test_another_secret",
        f"{_CHECK}test_the_same_secret_read_in_two_ways",
        f"{_CHECK}test_sql_that_signs_with_another_key",
        "tests/doctor/test_servers.py::test_a_secret_that_postgrest_does_not_share",
        "tests/doctor/test_servers.py::test_another_secret_in_the_gateway",
    ],
    "H07": [f"{_SETTINGS}test_settings_that_contradict_each_other_are_refused"],
    "H10": [
        f"{_SETTINGS}test_a_value_that_does_not_fit_is_refused_by_name_and_not_by_value",
        "tests/core/test_origins.py::test_never_is_every_origin_allowed",
    ],
    "H12": [
        "tests/proxy/test_answer_headers.py::test_the_upstreams_word_about_origins_is_not_handed_on",
        f"{_CORS}test_postgrests_star_does_not_cross_and_a_trusted_origin_is_named",
    ],
    "H18": ["tests/compose/test_compose_run.py::test_only_the_gateway_publishes_a_port_and_only_one"],
    "H19": [
        f"{_CHECK}test_an_exposed_auth_schema",
        "tests/doctor/test_servers.py::test_an_exposed_auth_schema",
        "tests/doctor/test_servers.py::test_exposed_machinery",
        "tests/compose/test_compose_run.py::test_postgrest_does_not_show_the_auth_schema",
        "tests/sql/test_postgrest.py::test_no_helper_can_be_called",
    ],
    "H20": [
        "tests/sql/test_conventions.py::test_nothing_of_ours_is_open_to_public",
        "tests/sql/test_privileges.py::test_each_role_may_execute_these_functions_and_no_others",
        "tests/sql/test_privileges.py::test_a_new_function_is_nobodys_until_it_is_granted",
    ],
    "H22": [
        f"{_PASSWORDS}test_the_product_hashes_at_cost_12",
        f"{_PASSWORDS}test_a_hash_of_another_system_is_taken_as_it_is_and_gets_todays_cost_at_the_next_login",
    ],
    "H24": [
        "tests/system/test_revocation.py::test_every_worker_hears_of_it_within_a_tenth_of_a_second",
        "tests/auth/test_limit_stores.py::test_two_gateways_have_one_budget_together",
        "tests/compose/test_compose_files.py::test_a_second_gateway_refuses_to_count_by_itself",
    ],
    "H28": [f"{_SETTINGS}test_an_address_that_loses_something_or_comes_back_is_refused"],
    "H29": [
        f"{_SETTINGS}test_a_name_that_is_no_setting_is_refused_and_the_likely_one_told",
        f"{_SETTINGS}test_a_value_that_does_not_fit_is_refused_by_name_and_not_by_value",
        f"{_SETTINGS}test_any_problems_are_reported_in_full_and_no_value_with_them",
    ],
}


def is_there(test: str) -> bool:
    """Whether there is a test of this name."""
    path, *names = test.split("::")
    file = _REPOSITORY / path
    within: list[ast.stmt] = ast.parse(file.read_bytes()).body if file.is_file() else []
    for name in names[:-1]:
        within = [
            inner
            for statement in within
            if isinstance(statement, ast.ClassDef) and statement.name == name
            for inner in statement.body
        ]
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return any(isinstance(found, functions) and found.name == names[-1] for found in within)
