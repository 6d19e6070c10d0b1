"""The rules of app/sql, asked of the catalogue of a migrated database."""

import re

import pytest

from .visitors import Connection

pytestmark = pytest.mark.anyio

VIEWS = """
create temp view our_schema as
  select n.* , n.oid as id from pg_namespace as n where n.nspname in ('auth', 'auth_private', 'postgate');
create temp view our_function as
  select p.oid::regprocedure::text as name, pg_get_userbyid(p.proowner) as owner, p.oid as id, p.*
    from pg_proc as p join our_schema as n on n.id = p.pronamespace;
create temp view our_relation as
  select c.oid::regclass::text as name, pg_get_userbyid(c.relowner) as owner, c.oid as id, c.*
    from pg_class as c join our_schema as n on n.id = c.relnamespace;
create temp view our_table as
  select * from our_relation where relkind = 'r';
create temp view our_column as
  select t.name || '.' || a.attname as name, a.attrelid, a.attnum, a.atttypid, a.attacl
    from our_table as t join pg_attribute as a on a.attrelid = t.id and a.attnum > 0 and not a.attisdropped;
create temp view our_constraint as
  select t.relname, k.* from pg_constraint as k join our_table as t on t.id = k.conrelid;
"""

SEARCH_PATH = ["search_path=pg_catalog, pg_temp"]

ENTRIES = {
    *("login", "logout", "refresh_token", "add_user", "set_password_hash", "disable_user", "enable_user"),
    *("sessions", "end_session", "logout_others", "logout_all", "change_password"),
    *("ended_sessions", "note_failure", "issue_tokens", "me", "adopt", "admit"),
    *("lease_mails", "mail_sent", "mail_failed", "mail_queue"),
    *("register", "verify_email", "create_guest", "update_profile", "delete_account"),
    *("request_password_reset", "reset_password", "request_sign_in_code", "sign_in_with_code"),
    *("reauthenticate", "request_email_change", "confirm_email_change", "cancel_email_change"),
    *("invite", "accept_invitation"),
}
TRIGGERS = {
    *(
        "tg_user__id",
        "tg_user__username",
        "tg_user__role",
        "tg_user__password",
        "tg_user__end_sessions",
        "tg_user__record",
    ),
    *("tg_session__end", "tg_event__append_only", "tg_user__revoke_access_tokens"),
    *("tg_outbox__notify", "tg_user__email", "tg_user__void_codes"),
}
DEFINERS = {f"auth.{name}" for name in ENTRIES} | {f"auth_private.{name}" for name in TRIGGERS}


@pytest.fixture
async def catalogue(connection: Connection) -> Connection:
    await connection.execute(VIEWS)
    return connection


async def names(catalogue: Connection, query: str) -> list[str]:
    return [row[0] for row in await catalogue.fetch(query)]


async def test_the_schemas_are_there(catalogue: Connection) -> None:
    """The other tests here would pass on an empty database."""
    assert len(await names(catalogue, "select name from our_function")) > 40
    assert set(await names(catalogue, "select name from our_table")) == {
        *('auth."user"', "auth.identity", "auth.session", "auth.refresh_token", "auth.event"),
        *("auth.setting", "auth_private.ended_session", "postgate.migration"),
        *("auth.one_time_code", "auth.outbox", "auth.registration", "auth.invitation_right"),
        "auth_private.common_password",
    }


async def test_definer_functions_are_the_entries_and_the_triggers_and_no_others(
    catalogue: Connection,
) -> None:
    query = "select pronamespace::regnamespace || '.' || proname from our_function where prosecdef"
    assert set(await names(catalogue, query)) == DEFINERS


async def test_every_routine_is_bound_to_our_search_path_or_was_parsed_when_it_was_made(
    catalogue: Connection,
) -> None:
    """What is parsed once finds nothing by a name later, unless it looks up a text as a name."""
    for function in await catalogue.fetch("select *, pg_get_functiondef(id) as definition from our_function"):
        if function["prosecdef"] or function["prosqlbody"] is None:
            assert function["proconfig"] == SEARCH_PATH, function["name"]
        else:
            assert function["proconfig"] is None
            assert not re.search(r"\bto_reg|::reg|regprocedure", function["definition"]), function["name"]


# What a body that is bound, a default, a check, an index, a trigger or a policy refers to
STRANGERS = """
with ours as (
  select 'pg_proc'::regclass as classid, id as objid from our_function
  union all select 'pg_class'::regclass, id from our_relation
  union all
  select 'pg_attrdef'::regclass, d.oid from pg_attrdef as d join our_relation as r on r.id = d.adrelid
  union all select 'pg_constraint'::regclass, k.oid from our_constraint as k
  union all
  select 'pg_trigger'::regclass, t.oid from pg_trigger as t join our_relation as r on r.id = t.tgrelid
  union all
  select 'pg_policy'::regclass, p.oid from pg_policy as p join our_relation as r on r.id = p.polrelid
)
select pg_describe_object(d.classid, d.objid, 0) || ': ' || i.identity
  from ours
  join pg_depend as d using (classid, objid)
 cross join pg_identify_object(d.refclassid, d.refobjid, 0) as i
 where i.schema not in ('auth', 'auth_private', 'postgate', 'pg_catalog', 'pg_toast')
   and not exists (
     select
       from pg_depend as member
       join pg_extension as e on e.oid = member.refobjid
      where (member.classid, member.objid) = (d.refclassid, d.refobjid)
        and member.deptype = 'e'
        and e.extname = 'pgcrypto'
   )
"""


async def test_nothing_of_ours_refers_to_a_strangers_object(catalogue: Connection) -> None:
    assert await names(catalogue, STRANGERS) == []
    await catalogue.execute(
        "create function public.cost() returns integer language sql immutable return 10;"
        "create or replace function auth_private.bcrypt_cost() returns integer"
        " language sql return public.cost();"
        "alter table auth.event alter at set default clock_timestamp() + make_interval(secs => public.cost())"
    )
    assert len(await names(catalogue, STRANGERS)) == 2, "the test can fail"


OPEN_TO_PUBLIC = {
    # An empty list of privileges is the default, which for a function is: everyone
    "functions by default": "select name from our_function where proacl is null",
    "functions": "select name from our_function, aclexplode(proacl) as a where a.grantee = 0",
    "relations": "select name from our_relation, aclexplode(relacl) as a where a.grantee = 0",
    "columns": "select name from our_column where attacl is not null",
    "schemas": "select nspname from our_schema, aclexplode(nspacl) as a where a.grantee = 0",
}


@pytest.mark.parametrize("kind", OPEN_TO_PUBLIC)
async def test_nothing_of_ours_is_open_to_public(catalogue: Connection, kind: str) -> None:
    assert await names(catalogue, OPEN_TO_PUBLIC[kind]) == []


async def test_nobody_but_the_owner_has_a_right_on_a_private_schema(catalogue: Connection) -> None:
    strangers = (
        "select nspname || ' ' || a.grantee::regrole from our_schema, aclexplode(nspacl) as a"
        " where nspname <> 'auth' and a.grantee <> nspowner"
    )
    assert await names(catalogue, strangers) == []


async def test_nobody_but_the_owner_has_a_right_on_a_table(catalogue: Connection) -> None:
    strangers = (
        "select name || ' ' || a.grantee::regrole from our_relation, aclexplode(relacl) as a"
        " where a.grantee <> relowner"
    )
    assert await names(catalogue, strangers) == []


async def test_the_owner_of_everything_but_the_book_is_auth_owner(catalogue: Connection) -> None:
    owners = (
        "select owner from our_function union select owner from our_relation"
        " where relnamespace <> 'postgate'::regnamespace"
    )
    assert await names(catalogue, owners) == ["auth_owner"]


async def test_every_table_has_row_level_security_and_no_policy(catalogue: Connection) -> None:
    assert await names(catalogue, "select name from our_table where not relrowsecurity") == []
    assert await names(catalogue, "select policyname from pg_policies") == []


SILENT = {
    "functions": "select name from our_function where obj_description(id, 'pg_proc') is null",
    "tables": "select name from our_table where obj_description(id, 'pg_class') is null",
    "columns": "select name from our_column where col_description(attrelid, attnum) is null",
    "indexes": (
        "select name from our_relation as r where relkind = 'i' and obj_description(id, 'pg_class') is null"
        " and not exists (select from pg_constraint as k where k.conindid = r.id)"
    ),
    "triggers": (
        "select tgname from pg_trigger as t join our_table as r on r.id = t.tgrelid"
        " where not t.tgisinternal and obj_description(t.oid, 'pg_trigger') is null"
    ),
    "schemas": "select nspname from our_schema where obj_description(id, 'pg_namespace') is null",
    "roles": (
        "select rolname from pg_roles where shobj_description(oid, 'pg_authid') is null"
        " and rolname in ('anon', 'auth_owner', 'authenticator', 'gateway', 'signed_in')"
    ),
}


@pytest.mark.parametrize("kind", SILENT)
async def test_every_object_has_a_comment(catalogue: Connection, kind: str) -> None:
    assert await names(catalogue, SILENT[kind]) == []


WITHOUT_ZONE = {
    "columns": "select name from our_column where atttypid = 'timestamp'::regtype",
    "results": "select name from our_function where prorettype = 'timestamp'::regtype",
    "arguments": (
        "select name from our_function, unnest(proargtypes::oid[] || proallargtypes) as argument"
        " where argument = 'timestamp'::regtype"
    ),
}


@pytest.mark.parametrize("kind", WITHOUT_ZONE)
async def test_times_have_a_time_zone(catalogue: Connection, kind: str) -> None:
    assert await names(catalogue, WITHOUT_ZONE[kind]) == []


async def test_every_foreign_key_says_what_happens_and_has_an_index(catalogue: Connection) -> None:
    keys = await catalogue.fetch(
        "select k.*, exists (select from pg_index as i where i.indrelid = k.conrelid"
        " and i.indkey[0] = k.conkey[1]) as indexed from our_constraint as k where contype = 'f'"
    )
    assert keys
    for key in keys:
        assert key["confdeltype"] != b"a", key["conname"]
        assert key["indexed"], key["conname"]


async def test_constraints_are_named_by_table_column_and_kind(catalogue: Connection) -> None:
    kinds = {b"p": "pkey", b"f": "fkey", b"c": "check", b"u": "key"}
    constraints = await catalogue.fetch("select * from our_constraint where contype <> 'n'")
    assert constraints
    for row in constraints:
        assert row["conname"].startswith(row["relname"] + "_"), row["conname"]
        assert row["conname"].endswith("_" + kinds[row["contype"]]), row["conname"]
