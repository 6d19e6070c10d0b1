"""What is well is not called ill: the demo, a bare database, and what merely looks like a mistake."""

import re
from pathlib import Path

import asyncpg
import pytest

from app.devstack import Database, DevStack
from app.devstack.database import run_now
from app.operator.migrations import migrate
from doctor.harness import CLOSE_PUBLIC, Patient
from doctor.plants import GOOD_PATH, PLAIN, function, sets

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parents[2]
RECIPE = (REPOSITORY / "tests/system/recipe.sql").read_text(encoding="utf-8")
OWN_FUNCTIONS = (
    (REPOSITORY / "docs/sql.md").read_text(encoding="utf-8").partition("## Functions of your own")[2]
)


async def test_the_demo_is_well(patient: Patient) -> None:
    assert (await patient.examine()).told == []


async def test_a_migrated_database_is_well(stack: DevStack, patient: Patient) -> None:
    with stack.fresh_database(prepared=False) as bare:
        run_now(migrate(bare.owner_dsn))
        bare.execute(CLOSE_PUBLIC + "create schema api")
        report = await patient.examine(
            database_url=bare.gateway_dsn,
            owner_database_url=bare.owner_dsn,
            authenticator_database_url=bare.authenticator_dsn,
        )
    assert report.told == []


async def test_a_database_without_anything_is_well(stack: DevStack, patient: Patient) -> None:
    """Nothing of ours and nothing of anybody's: what is missing is for `postgate check` to say."""
    with stack.fresh_database(prepared=False) as bare:
        bare.execute(CLOSE_PUBLIC)
        report = await patient.examine(
            database_url=bare.gateway_dsn,
            owner_database_url=bare.owner_dsn,
            authenticator_database_url=bare.authenticator_dsn,
        )
    assert report.told == []


HARMLESS = {
    "a definer with its own path": function(
        "api.count()", PLAIN, options='security definer set search_path = "api", pg_temp'
    ),
    "a sign that is one of numbers": (
        "create function api.sign_of(amount numeric) returns numeric language sql return sign(amount);"
        "grant execute on function api.sign_of to anon"
    ),
    "claims that are only read": (
        "create function api.create_order() returns json language sql as"
        " $$ select current_setting('request.jwt.claims', true)::json $$;"
        "grant execute on function api.create_order to anon"
    ),
    "a sign-in of another kind": (
        function(
            "api.sign_in(email text, password text)",
            "begin perform auth.login(email, password); end",
            options=GOOD_PATH,
        )
        + "grant execute on function api.sign_in to anon"
    ),
    "a renewal by another name": (
        "create function api.renew() returns void language sql volatile return auth.refresh_token();"
        "grant execute on function api.renew to anon"
    ),
    "a token for a letter": (
        function("api.create_reset_token(email text)", "begin perform gen_random_uuid(); end")
        + "grant execute on function api.create_reset_token to anon"
    ),
    "a function that is only for the owner": function(
        "api.issue_token(claims jsonb)", "begin perform auth_private.mint_access_token($1); end"
    ),
    "a table that nobody gets at": "create table api.secret (id int)",
    "rights that no policy lets through": (
        "grant insert on api.notice to anon; grant select on auth.user to anon"
    ),
    "a policy for others": (
        "grant delete on api.notice to public;"
        "create policy notice_tidy on api.notice for delete to basic_subscriber using (false)"
    ),
    "a view of what has no policies": (
        "create schema inside; create table inside.letter (body text);"
        "create view api.letter as select * from inside.letter; grant select on api.letter to anon"
    ),
    "a view whose owner is held to policies": (
        "create view api.mine as select * from api.task; alter view api.mine owner to signed_in;"
        "grant select on api.task to signed_in; grant select on api.mine to basic_subscriber"
    ),
    "a view that nobody gets at": "create view api.everything as select * from api.task",
    "forced policies": (
        "alter table api.task owner to basic_subscriber; alter table api.task force row level security"
    ),
    "settings that are no secrets": (
        "alter database {database} set app.settings.jwt_secret_is_base64 = 'true';"
        "alter database {database} set pgrst.jwt_secret = '@/run/secrets/jwt_secret';"
        "alter database {database} set app.jwt_secret = ''"
    ),
    "hashes": (
        "create table auth.member (password text); insert into auth.member values (''), (null),"
        " ('$2a$12$' || repeat('a', 53)), ('$2b$10$' || repeat('a', 53)), ('$6$salt$hash'),"
        " ('$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaA'), ('pbkdf2_sha256$600000$salt$hash'),"
        " ('SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy')"
    ),
    "tokens that are stored as digests": (
        "create table auth.device (refresh_token text);"
        + function("auth.digest_of(secret text)", "begin perform sha256(secret::bytea); end")
    ),
    "columns that only sound like it": (
        "create table auth.device (token_type text, token_count int, token_digest text, password_set_at text)"
    ),
    "salts": function("auth.hash(cost int)", "begin perform gen_salt('bf', cost), gen_salt('bf', 10); end"),
    "cookies": function(
        "auth.sign_in()", sets("'refresh_token=' || now() || '; path=/; httponly; samesite=strict; secure'")
    )
    + function("auth.sign_out()", sets("'refresh_token=; Path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT'")),
    "a cookie that is no session's": function("auth.greet()", sets("'theme=dark; Path=/'")),
    "a comment about cookies": function("auth.greet()", "begin /* Set-Cookie: access_token=x */ return; end"),
    "logging of statements without their parameters": (
        "alter role gateway in database {database} set log_statement = 'all';"
        "alter role gateway in database {database} set log_parameter_max_length = 0"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS)
async def test_what_looks_like_a_mistake_and_is_none(patient: Patient, name: str) -> None:
    patient.plant(HARMLESS[name])
    assert (await patient.examine()).told == []


async def test_functions_of_ones_own_as_the_manual_writes_them(patient: Patient) -> None:
    blocks = re.findall(r"```sql\n(.*?)```", OWN_FUNCTIONS.partition("\n## ")[0], re.DOTALL)
    assert len(blocks) >= 2
    patient.plant("".join(blocks))
    assert (await patient.examine(auth_schema="my_auth")).told == []


async def test_a_recipe_as_people_write_it(patient: Patient) -> None:
    patient.plant(RECIPE + "grant execute on function accounts.token to public;")
    report = await patient.examine(auth_schema="accounts", auth_functions="sign_in,sign_out,enter_pin")
    assert report.told == [
        ("PD201", "function accounts.sign_in(text, text, boolean)"),
        ("PD204", "function accounts.token(json)"),
        ("PD203", "function accounts.token(json)"),
        ("PD602", "cookie access_token in function accounts.sign_in(text, text, boolean)"),
        ("PD602", "cookie refresh_token in function accounts.sign_in(text, text, boolean)"),
        ("PD604", "cookie refresh_token in function accounts.sign_in(text, text, boolean)"),
        ("PD603", "cookie access_token in function accounts.sign_in(text, text, boolean)"),
        ("PD603", "cookie refresh_token in function accounts.sign_in(text, text, boolean)"),
    ]


# --- it is a guest


async def test_it_changes_nothing_at_all(patient: Patient) -> None:
    """None of its transactions is given a number: none writes. Autovacuum now and then is."""

    def transactions() -> object:
        return patient.database.fetch("select pg_snapshot_xmax(pg_current_snapshot())::text")[0][0]

    async def numbers_given() -> bool:
        before = transactions()
        await patient.examine()
        return transactions() != before

    assert not (await numbers_given() and await numbers_given() and await numbers_given())


async def test_a_standby_is_looked_at_like_any_other(patient: Patient) -> None:
    patient.plant("alter database {database} set default_transaction_read_only = on")
    assert (await patient.examine()).told == []


async def test_it_waits_for_nobody(patient: Patient, database: Database) -> None:
    """A locked table is left alone, and said to be."""
    other = await asyncpg.connect(database.owner_dsn)
    try:
        await other.execute("begin; lock table auth.user in access exclusive mode")
        report = await patient.examine()
    finally:
        await other.close()
    assert report.told == [("PD004", 'rows of auth."user"'), ("PD004", "the roles of users")]
    assert {finding.detail for finding in report.findings} == {"It is locked."}
