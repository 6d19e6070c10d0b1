"""The mistakes that are planted, one at a time, each with what the doctor must say of it and nothing else."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plant:
    """`undo` puts right what belongs to the cluster; `mend` is the way out where no statement is given.

    `also` are the findings that come with it, as the doctor then keeps away from something.
    """

    code: str
    where: str
    sql: str
    mend: str = ""
    undo: str = ""
    auth_schema: str = "auth"
    also: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.code} {self.where}"


def function(name: str, body: str, *, returns: str = "void", options: str = "") -> str:
    return f"create function {name} returns {returns} language plpgsql {options} as $_$ {body} $_$;"


def sets(*cookies: str) -> str:
    """A body that sends these cookies."""
    headers = ", ".join(f"json_build_object('Set-Cookie', {cookie})" for cookie in cookies)
    return f"begin perform set_config('response.headers', json_build_array({headers})::text, true); end"


# Nothing is called or read where another login could have defined it
KEPT_AWAY = (("PD004", "how SQL signs"), ("PD004", "the roles of users"))
PLAIN = "begin return; end"
GOOD_PATH = "set search_path = pg_catalog, pg_temp"
HASH = "$2a$%02d$" + "a" * 53

SECRETS = [
    Plant(
        "PD101",
        "setting pgrst.jwt_secret of database {database}",
        "alter database {database} set pgrst.jwt_secret = 'some secret of somebody'",
    ),
    Plant(
        "PD101",
        "setting app.settings.jwt_secret of role authenticator in database {database}",
        "alter role authenticator in database {database} set app.settings.jwt_secret = 'some secret'",
    ),
    Plant(
        "PD101",
        "setting app.settings.jwt_secret of role basic_subscriber",
        "alter role basic_subscriber set app.settings.jwt_secret = 'some secret'",
        undo="alter role basic_subscriber reset app.settings.jwt_secret",
    ),
    Plant(
        "PD101",  # whatever it is called
        "setting app.colour of database {database}",
        "alter database {database} set app.colour = '{secret}'",
    ),
    Plant(
        "PD101",
        "setting app.jwt_secret of all roles",
        "alter role all set app.jwt_secret = 'some secret'",
        undo="alter role all reset app.jwt_secret",
    ),
    Plant(
        "PD102",
        "setting app.smtp_password of database {database}",
        "alter database {database} set app.smtp_password = 'hunter2'",
    ),
    Plant(
        "PD103",
        "function private.key()",
        "create schema private;" + function("private.key()", "begin return '{secret}'; end", returns="text"),
        mend="drop function private.key()",
    ),
    Plant(
        "PD105",
        "schema auth",
        "create or replace function auth_private.jwt_key() returns bytea language sql as"
        " $$ select sha256('another key') $$",
        mend="create or replace function auth_private.jwt_key() returns bytea language sql as"
        " $$ select decode(current_setting('app.settings.jwt_secret'), 'base64') $$",
    ),
]

FUNCTIONS = [
    Plant("PD201", "function api.count()", function("api.count()", PLAIN, options="security definer")),
    Plant(
        "PD201",
        "function auth.count(text, integer)",
        function("auth.count(a text, b integer)", PLAIN, options="security definer set work_mem = '8MB'"),
    ),
    Plant(
        "PD201",
        "function hooks.before()",
        "create schema hooks;"
        + function("hooks.before()", PLAIN, options="security definer")
        + "alter role authenticator in database {database} set pgrst.db_pre_request = 'hooks.before'",
    ),
    Plant(
        "PD202",
        "function api.count()",
        "create schema helpers; grant create on schema helpers to basic_subscriber;"
        + function(
            "api.count()", PLAIN, options='security definer set search_path = pg_catalog, "helpers", pg_temp'
        ),
    ),
    Plant("PD203", "function api.add(integer, integer)", "grant execute on function api.add to public"),
    Plant(
        "PD201",  # in a schema that a login may add to: it is not put into the path
        "function hooks.before()",
        "create schema hooks; create role reporting login; grant create on schema hooks to reporting;"
        + function("hooks.before()", PLAIN, options="security definer")
        + "alter role authenticator in database {database} set pgrst.db_pre_request = 'hooks.before'",
        undo="drop owned by reporting; drop role reporting",
    ),
    Plant(
        "PD203",  # the gateway still may call it
        "function auth.login(text, text)",
        "revoke execute on function auth.login from anon; grant execute on function auth.login to public",
    ),
    Plant("PD203", "function auth.me()", "grant execute on function auth.me to public"),
    Plant(
        "PD203",
        "procedure auth_private.tidy()",
        "create procedure auth_private.tidy() language sql as '';"
        "grant execute on procedure auth_private.tidy to public",
    ),
    Plant(
        "PD204",
        "function api.issue_tokens(text, text)",
        function("api.issue_tokens(subject text, role text)", "begin perform jwt.put(subject, role); end")
        + "create schema jwt;"
        + function(
            "jwt.put(subject text, role text)",
            "begin perform hmac(subject, current_setting('app.settings.jwt_secret'), 'sha256'); end",
        )
        + "grant execute on function api.issue_tokens to anon",
    ),
    Plant(
        "PD204",
        "function auth.token_for(text)",
        function(
            "auth.token_for(username text)",
            "begin return auth_private.mint_access_token(jsonb_build_object('sub', $1)); end",
            returns="text",
            options=f"security definer {GOOD_PATH}",
        )
        + "grant execute on function auth.token_for to signed_in",
    ),
    Plant(
        "PD204",
        "function auth.issue_tokens(text, text, jsonb)",
        "grant execute on function auth.issue_tokens to signed_in",
    ),
    Plant(
        "PD205",
        "function auth.sign_in(text, text)",
        function(
            "auth.sign_in(name text, pass text)",
            "begin perform set_config('x.y', pass, true);"
            " return sign(json_build_object('role', name), current_setting('app.settings.jwt_secret')); end",
            returns="text",
        ),
        mend="drop function auth.sign_in",
    ),
    Plant(
        "PD509",
        "function auth.ended_sessions()",
        "revoke execute on function auth.ended_sessions() from gateway",
    ),
    *(
        Plant(
            "PD704",
            "function auth.hash()",
            function("auth.hash()", f"begin perform crypt('', {salt}); end"),
            mend="drop function auth.hash()",
        )
        for salt in ("gen_salt('bf')", "gen_salt( 'bf', 8 )", "gen_salt('md5')")
    ),
]

SCHEMAS = [
    Plant("PD303", "schema auth_private", "grant usage on schema auth_private to signed_in"),
    Plant("PD304", "schema api", "grant create on schema api to public"),
    Plant("PD304", "schema auth", "grant create on schema auth to basic_subscriber", also=KEPT_AWAY),
]

# A login that has nothing to do with Postgate
LOGIN = "create role reporting login;"
NO_LOGIN = "drop owned by reporting; drop role reporting"
COUNT = (
    "create function public.state(bigint, text) returns bigint language sql as 'select $1';"
    "create aggregate public.count(text) (sfunc = public.state, stype = bigint, initcond = '0');"
)

# Owned by clients, who lose their rights only with it
OWNED = [
    Plant("PD304", "schema api", "alter schema api owner to basic_subscriber"),
    Plant(
        "PD401",
        "table api.note",
        "create table api.note (id int); alter table api.note owner to basic_subscriber",
    ),
    Plant(
        "PD407",
        "table auth.ticket",
        "create table auth.ticket (id int); alter table auth.ticket owner to basic_subscriber",
        also=(("PD305", "table auth.ticket"), *KEPT_AWAY),
    ),
    Plant(
        "PD402",  # what a terminal would obey is written as an escape, in the statement too
        'table api.U&"a""\\+00000a\\+00001b[2J\\\\"',
        'create table api."a""\n\x1b[2J\\" (id int); grant select on api."a""\n\x1b[2J\\" to anon',
    ),
]

PATHS = [
    Plant(
        "PD305",
        "function auth_private.jwt_key(text)",
        LOGIN
        + function("auth_private.jwt_key(text)", PLAIN)
        + "alter function auth_private.jwt_key(text) owner to reporting;"
        + "revoke execute on function auth_private.jwt_key(text) from public",
        mend="drop function auth_private.jwt_key(text)",
        undo=NO_LOGIN,
        also=KEPT_AWAY,
    ),
    Plant(
        "PD305",
        "view auth.settings",
        LOGIN + "create view auth.settings as select 1 as one; alter view auth.settings owner to reporting",
        mend="drop view auth.settings",
        undo=NO_LOGIN,
        also=KEPT_AWAY,
    ),
    Plant(
        "PD305",
        "schema auth_private",
        LOGIN + "alter schema auth_private owner to reporting",
        undo=NO_LOGIN,
        also=KEPT_AWAY,
    ),
    Plant(
        "PD306",
        "schema public",
        "grant create on schema public to public",  # as every database has it up to PostgreSQL 14
    ),
    *(
        Plant(
            "PD306",
            f"schema {schema}",
            f"{LOGIN} {sql}; grant create on schema {schema} to reporting",
            undo=NO_LOGIN,
        )
        for schema, sql in {
            "public": "",
            "api": "",  # exposed
            "extra": "create schema extra;"
            "alter role authenticator in database {database}"
            " set pgrst.db_extra_search_path = 'public, extra'",
            '"Of role"': 'create schema "Of role"; alter role reporting set search_path = "Of role", public',
            "inside": "create schema inside;"
            + function("api.sum()", PLAIN, options="security definer set search_path = inside, pg_temp"),
            "auth_owner": "create schema auth_owner",  # the name of a role: "$user"
        }.items()
    ),
    Plant(
        "PD307",
        "database {database}",
        LOGIN + "grant create on database {database} to reporting",
        undo=NO_LOGIN,
    ),
    *(
        Plant("PD308", where, f"{LOGIN} {sql}", undo=NO_LOGIN)
        for where, sql in {
            "aggregate public.count(text)": COUNT + "alter aggregate public.count(text) owner to reporting",
            "function public.json_build_array(json)": function("public.json_build_array(json)", PLAIN)
            + "alter function public.json_build_array(json) owner to reporting",
            "function api.now(a integer)": function("api.now(a integer)", PLAIN)
            + "alter function api.now(integer) owner to reporting;"
            + "revoke execute on function api.now(integer) from public",
            "operator public.=(json,json)": function(
                "public.same(json, json)", "begin return true; end", returns="boolean"
            )
            + "create operator public.= (leftarg = json, rightarg = json, function = public.same);"
            + "alter operator public.= (json, json) owner to reporting",
            "domain public.text": "create domain public.text as integer;"
            "alter domain public.text owner to reporting",
            "table public.pg_roles": "create table public.pg_roles (oid oid);"
            "alter table public.pg_roles owner to reporting",
            "function auth_owner.unnest(text[])": "create schema auth_owner authorization reporting;"
            + function("auth_owner.unnest(text[])", PLAIN)
            + "alter function auth_owner.unnest(text[]) owner to reporting",
            "cast from text to public.odd": "create type public.odd as (a text);"
            + function("public.to_odd(text)", "begin return row($1); end", returns="public.odd")
            + "alter function public.to_odd(text) owner to reporting;"
            + "create cast (text as public.odd) with function public.to_odd(text) as implicit",
        }.items()
    ),
]

TABLES = [
    Plant("PD401", "table api.task", "alter table api.task disable row level security"),
    Plant(
        "PD401",
        "table api.note",
        "create table api.note (id int, text text); grant update (text) on api.note to signed_in",
    ),
    *(
        Plant(
            "PD402",
            "table api.country",
            f"create table api.country (code text); grant select on api.country to {whom}",
        )
        for whom in ("anon", "public")
    ),
    Plant("PD403", "table api.task", "alter table api.task owner to basic_subscriber"),
    Plant(
        "PD404",
        'view api."all"',
        'create view api."all" as select * from api.task; grant select on api."all" to anon',
        mend='drop view api."all"',
    ),
    Plant(
        "PD404",  # a view on a view
        "view api.names",
        "create schema inside; create view inside.task as select * from api.task;"
        "create view api.names as select owner from inside.task;"
        "grant select on api.names to basic_subscriber",
        mend="drop view api.names",
    ),
    Plant(
        "PD405",
        "materialized view api.total",
        "create materialized view api.total as select count(*) from api.task;"
        "grant select on api.total to basic_subscriber",
    ),
    Plant(
        "PD406",
        "table api.notice",
        "grant insert (body) on api.notice to anon;"
        "create policy notice_add on api.notice for insert with check (true)",
    ),
    Plant(
        "PD406",
        "view api.letter",
        "create schema inside; create table inside.letter (body text);"
        "create view api.letter as select * from inside.letter; grant insert on api.letter to public",
    ),
    Plant(
        "PD407",
        "table auth.ticket",
        "create table auth.ticket (id int); grant select on auth.ticket to anon",
    ),
    Plant(
        "PD407",
        'table auth."user"',
        "alter table auth.user disable row level security; grant select (role) on auth.user to signed_in",
    ),
    Plant("PD504", "table auth.event", "grant select on auth.event to gateway"),
]

INHERIT = """
do $$ begin
  if current_setting('server_version_num')::integer < 160000 then
    alter role {login} inherit;
  else
    execute 'grant anon to {login} with inherit true';
  end if;
end $$
"""
DISINHERIT = """
do $$ begin
  alter role {login} noinherit;
  if current_setting('server_version_num')::integer >= 160000 then
    execute 'grant anon to {login} with inherit false';
  end if;
end $$
"""

ROLES = [
    Plant(
        "PD501",
        "role basic_subscriber",
        "alter role basic_subscriber bypassrls",
        undo="alter role basic_subscriber nobypassrls",
    ),
    Plant("PD501", "role anon", "alter role anon superuser", undo="alter role anon nosuperuser"),
    Plant(
        "PD501",
        "role authenticator",
        "alter role authenticator createrole",
        undo="alter role authenticator nocreaterole",
    ),
    Plant(
        "PD502",
        "role reporter",
        "create role reporter; grant reporter to authenticator; grant pg_read_all_data to reporter",
        undo="drop role reporter",
    ),
    Plant(
        "PD503",
        "role authenticator",
        "grant auth_owner to authenticator",
        undo="revoke auth_owner from authenticator",
        also=(KEPT_AWAY[0], ("PD004", 'rows of auth."user"'), KEPT_AWAY[1]),
    ),
    Plant(
        "PD503",
        'role "table"',
        'create role "table" noinherit; grant "table" to authenticator; grant gateway to "table"',
        undo='drop role "table"',
    ),
    Plant(
        "PD504",
        "role gateway",
        "grant basic_subscriber to gateway",
        undo="revoke basic_subscriber from gateway",
    ),
    Plant(
        "PD505",
        "role gateway",
        "alter role gateway superuser",
        mend="alter role gateway nosuperuser",
        undo="alter role gateway nosuperuser",
    ),
    Plant(
        "PD505",
        "role gateway",
        "grant auth_owner to gateway",
        undo="revoke auth_owner from gateway",
        also=(KEPT_AWAY[0], ("PD004", 'rows of auth."user"'), KEPT_AWAY[1]),
    ),
    *(
        Plant("PD506", f"role {login}", INHERIT.format(login=login), undo=DISINHERIT.format(login=login))
        for login in ("authenticator", "gateway")
    ),
    Plant(
        "PD507",
        "role authenticator",
        "alter role authenticator in database {database} set pgrst.db_max_rows = '100'",
        mend="alter role authenticator in database {database} reset pgrst.db_max_rows",
    ),
    Plant(
        "PD508",
        "role ghost",
        f"create role ghost; select auth.add_user('casper', '{HASH % 12}', 'ghost'); drop role ghost",
        mend="delete from auth.user where username = 'casper'",
    ),
]

COOKIES = [
    Plant(
        "PD601",
        "cookie refresh_token in function auth.sign_out()",
        function(
            "auth.sign_in()", sets("'refresh_token=' || now() || '; Path=/; HttpOnly; SameSite=Lax; Secure'")
        )
        + function("auth.sign_out()", sets("'refresh_token=; Path=/rpc; Max-Age=0'")),
        mend="drop function auth.sign_out()",
    ),
    Plant(
        "PD602",
        "cookie access_token in function auth.sign_in()",
        function("auth.sign_in()", sets("format('access_token=%s; Path=/; SameSite=Lax; Secure', now())")),
        mend="drop function auth.sign_in()",
    ),
    Plant(
        "PD602",  # as one text of JSON, in the way of the known recipes
        "cookie access_token in function auth.sign_in()",
        function(
            "auth.sign_in()",
            "declare h text; begin h := '[' || '{\"Set-Cookie\": \"access_token=' || now()"
            ' || \'; Path=/; Secure; HttpOnly;"},\' || \'{"X-Other": "a; SameSite=Lax"}]\'; end',
        ),
        mend="drop function auth.sign_in()",
    ),
    Plant(
        "PD603",
        "cookie access_token in function auth.sign_in()",
        function("auth.sign_in()", sets("'access_token=' || now() || '; Path=/; HttpOnly; SameSite=Lax'")),
        mend="drop function auth.sign_in()",
    ),
    Plant(
        "PD604",
        "cookie refresh_token in function auth.sign_in()",
        function(
            "auth.sign_in()",
            sets("'refresh_token=' || now() || '; Path=/rpc/refresh_token; HttpOnly; SameSite=Lax; Secure'"),
        ),
        mend="drop function auth.sign_in()",
    ),
]

COOKIES += [
    Plant(
        "PD605",
        f"cookie {name} in function auth.sign_in()",
        function("auth.sign_in()", sets(f"'{name}=' || now() || '; {attributes}'")),
        mend="drop function auth.sign_in()",
    )
    for name, attributes in [
        ("theme", "Path=/; SameSite=None"),
        ("__Secure-theme", "Path=/"),
        ("__Host-theme", "Path=/; Secure; Domain=example.com"),
        ("__Host-theme", "Path=/here; Secure"),
        ("theme", "Domain=https://example.com"),
    ]
]

CREDENTIALS = [
    Plant(
        "PD701",
        "column auth.remembered.refresh_token",
        "create table auth.remembered (refresh_token uuid default gen_random_uuid())",
        mend="drop table auth.remembered",
    ),
    Plant(
        "PD701",
        "column old.refresh_token.token",
        "create schema old; create table old.refresh_token (created_at timestamptz, token text)",
        mend="drop table old.refresh_token",
        auth_schema="old",
    ),
    Plant(
        "PD702",
        "column auth.member.pass",
        "create table auth.member (pass text); insert into auth.member values ('correct horse'), ('')",
        mend="drop table auth.member",
    ),
    Plant(
        "PD703",
        "column auth.member.password_hash",
        "create table auth.member (password_hash text);insert into auth.member values (md5('correct horse'))",
        mend="drop table auth.member",
    ),
    Plant(
        "PD703",  # one that was imported, before its user has signed in
        'column auth."user".password',
        f"select auth.add_user('anna', '{HASH % 6}', 'basic_subscriber')",
        mend="delete from auth.user where username = 'anna'",
    ),
]

SERVER = [
    Plant(
        "PD802",
        f"setting {name} of role {role}",
        f"alter role {role} in database {{database}} set {name} = {value}",
    )
    for name, value, role in [
        ("log_statement", "'all'", "gateway"),
        ("log_min_duration_statement", "250", "authenticator"),
        ("log_transaction_sample_rate", "0.5", "gateway"),
        ("log_parameter_max_length_on_error", "-1", "gateway"),
    ]
]

PLANTS = [*SECRETS, *FUNCTIONS, *SCHEMAS, *PATHS, *OWNED, *TABLES, *ROLES, *COOKIES, *CREDENTIALS, *SERVER]
