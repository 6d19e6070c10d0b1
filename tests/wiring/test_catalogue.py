"""The catalogue agrees with the SQL that Postgate ships and with the settings that bound its calls."""

import pytest

from app.catalogue import FAMILIES, LOGIN, REFRESH, SHIPPED, Entry, Family
from app.devstack import Database, DevStack
from app.settings import Settings


@pytest.fixture(scope="module")
def shipped(stack: DevStack) -> Database:
    return stack.database


def test_each_function_is_there_for_clients_without_a_session(shipped: Database) -> None:
    names = [*SHIPPED.public, *SHIPPED.account]
    rows = shipped.fetch(
        "select p.proname::text as name from pg_proc as p"
        " where p.pronamespace = 'auth'::regnamespace and p.proname = any ($1)"
        " and has_function_privilege('anon', p.oid, 'execute')",
        names,
    )
    assert sorted(row["name"] for row in rows) == sorted(names)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_each_kind_of_event_is_one_that_sql_records(database: Database, family: Family) -> None:
    for kind in filter(None, (family.failed, family.throttled)):
        database.execute(f"select auth.note_failure('{kind}', '', '', '')", role="gateway")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_each_budget_has_a_setting(family: Family) -> None:
    for scope in family.scopes:
        assert f"{family.limits}_limit_{scope}" in Settings.model_fields


def test_the_settings_list_what_is_shipped() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert defaults["auth_functions"] == SHIPPED.public == ("login", "logout", "refresh_token")
    assert defaults["account_functions"] == SHIPPED.account
    assert defaults["refresh_function"] in SHIPPED.public


@pytest.mark.parametrize(
    ("public", "account", "checks", "expected"),
    [
        (("pin",), (), None, Entry("pin", LOGIN)),
        (("pin",), (), ("other",), Entry("pin")),
        (("renew",), (), None, Entry("renew", REFRESH, renews=True)),
        (("logout",), (), ("logout",), Entry("logout", LOGIN)),
        (("me",), (), None, Entry("me")),
        (("api.pin",), (), ("pin",), Entry("pin", LOGIN, schema="api")),
        (("api.pin",), (), ("api.pin",), Entry("pin", LOGIN, schema="api")),
        (("api.renew",), (), None, Entry("renew", REFRESH, schema="api", renews=True)),
        ((), ("api.own",), ("none",), Entry("own", schema="api", needs_session=True)),
        ((), ("logout",), None, Entry("logout", needs_session=True)),
    ],
)
def test_a_function_of_a_project_gets_a_plain_entry(
    public: tuple[str, ...], account: tuple[str, ...], checks: tuple[str, ...] | None, expected: Entry
) -> None:
    listed = SHIPPED.listed(public, account, refresh="renew", check_secrets=checks)

    sign_out = {} if not public or "logout" in public else {"logout": Entry("logout", may_be_missing=True)}
    assert listed == {expected.name: expected} | sign_out
