"""The SQL of the five published recipes, cut from their pages, with named repairs where it cannot load.

The pages are scraped text: prose stands between the statements, and some lines are lost. They are read from
`shared/recipes` beside the repository. Where that is missing, the project's SQL of the same shape is used.
"""

import re
from collections.abc import Callable
from pathlib import Path

from harness.site.pages import sql_of

REPOSITORY = Path(__file__).parents[3]
PUBLISHED = REPOSITORY.parent / "shared/recipes"
_SIGNING = REPOSITORY / "tests/system/recipes/signing.sql"
PAGES = REPOSITORY / "docs/recipes"
_003 = re.compile(
    r"^(?:CREATE OR REPLACE FUNCTION.*?\$\$ LANGUAGE[^;]*;|CREATE (?:TABLE|POLICY|ROLE)[^;]*;"
    r"|GRANT[^;]*;|ALTER TABLE[^;]*;)",
    re.MULTILINE | re.DOTALL,
)
_API = """
create schema api;
grant usage on schema api to anon, {role};
create table api.note (owner text, body text);
alter table api.note enable row level security;
create policy own on api.note using (owner = current_setting('request.jwt.claims')::json ->> '{claim}');
grant select on api.note to {role};
insert into api.note values ('demo', 'mine'), ('bob', 'his');
"""


def text_of(number: str) -> str | None:
    """The page of a recipe; None without the folder."""
    return next((path.read_text() for path in PUBLISHED.glob(f"{number}_*.txt")), None)


def between(text: str, first: str, last: str) -> str:
    """The text from `first` up to `last`."""
    begin = text.index(first)
    return text[begin : text.index(last, begin)]


def repaired(text: str, *repairs: tuple[str, str]) -> str:
    for old, new in repairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def cookies(text: str) -> str:
    """000 and 002. Repairs: `public.sign` and `public.url_encode` in SQL, since pgjwt is not installed."""
    return "\n".join(
        (
            _SIGNING.read_text(),
            _API.format(role="basic_subscriber", claim="username"),
            between(text, "create schema auth;", "\ncommit;"),
            between(text, "grant usage on schema auth to anon;", "\ncommit;"),
            "insert into auth.user values ('demo', 'demo', 'basic_subscriber');",
        )
    )


def services(text: str) -> str:
    """001. Repairs: the ambiguous column of refresh_tokens(), the signature in a grant, roles and schema."""
    return "\n".join(
        (
            "create extension pgcrypto; create role authenticated; create role service;",
            "grant authenticated, service to authenticator;",
            _API.format(role="authenticated", claim="sub"),
            repaired(
                between(text, "create schema if not exists auth;", "\ncommit;"),
                ("select subject into subject", "select refresh_token.subject into subject"),
            ),
            repaired(
                between(text, "grant usage on schema auth to anon;", "cd db"),
                ("auth.issue_tokens(text)", "auth.issue_tokens(text, text)"),
            ),
            "revoke execute on all functions in schema auth from public;",
            "grant execute on all functions in schema auth to service;",
            "grant execute on function auth.refresh_tokens() to anon;",
        )
    )


def workshops(text: str) -> str:
    """003. Repairs: the schema `auth` is no extension; `web_anon` and the tables are made, and `web_anon` may
    use the schema; users are `authenticated`, whom the policies mean; the login opens the session that the
    refresh function expects.
    """
    statements = [found for found in _003.findall(text) if "ROLE authenticator" not in found]
    tables = [found for found in statements if found.startswith(("CREATE TABLE auth.", "CREATE ROLE"))]
    opened = (
        "create function auth.open_session(holder integer) returns uuid language sql security definer as "
        "$$ insert into auth.sessions (user_id) values (holder) returning id $$;"
    )
    return "\n".join(
        (
            _SIGNING.read_text(),
            "create schema auth; create role web_anon; grant web_anon to authenticator, gateway;",
            "create table workshops (id serial primary key, title text);",
            "create table participants (id serial primary key, name text);",
            *tables,
            opened,
            "grant usage on schema auth to web_anon, regular_user; grant authenticated to regular_user;",
            repaired(
                "\n".join(found for found in statements if found not in tables),
                (
                    "'token', jwt_token,",
                    "'token', jwt_token, 'refresh_token', auth.open_session(user_record.id),",
                ),
            ),
            "insert into auth.users (email, password_hash) values ('bob@example.com', 'x');",
            "create function auth.own() returns trigger language plpgsql security definer as $$ begin",
            "insert into participants (name, user_id) values (new.email, new.id); return new; end $$;",
            "create trigger own after insert on auth.users for each row execute function auth.own();",
        )
    )


def typed(text: str) -> str:
    """004. Repairs: the lost `begin`, `declare`, `end` and `);`, and the setting for the sample secret."""
    trigger = (("as $$\n", "as $$\nbegin\n"), ("$$ language plpgsql;", "end;\n$$ language plpgsql;"))
    login = repaired(
        between(text, "create or replace function\nlogin(", "Since the above"),
        ("  _role name;", "declare\n  _role name;"),
        ("  -- check email", "begin\n  -- check email"),
        ("'reallyreallyreallyreallyverysafe'", "current_setting('app.jwt_secret')"),
        ("return result;\n", "return result;\nend;\n"),
    )
    return "\n".join(
        (
            _SIGNING.read_text(),
            _API.format(role="basic_subscriber", claim="email"),
            between(text, "create schema if not exists basic_auth;", "\n\nWe would") + "\n);",
            repaired(between(text, "create or replace function\nbasic_auth.check_role", "Next we"), *trigger),
            repaired(
                between(text, "create or replace function\nbasic_auth.encrypt_pass", "With the"), *trigger
            ),
            repaired(
                between(text, "create or replace function\nbasic_auth.user_role", "\n\nPublic User"),
                ("as $$\n", "as $$\nbegin\n"),
            )
            + "\n  );\nend;\n$$;",
            between(text, "CREATE TYPE basic_auth.jwt_token", "\n\n-- login") + "\n);",
            login,
            "insert into basic_auth.users values ('demo@b.co', 'demo', 'basic_subscriber');",
            "update api.note set owner = 'demo@b.co' where owner = 'demo';",
        )
    )


CUTS: dict[str, Callable[[str], str]] = {
    "000": cookies,
    "001": services,
    "002": cookies,
    "003": workshops,
    "004": typed,
}


def published_sql(number: str) -> str | None:
    """The SQL of a published recipe; None if its page is not at hand."""
    text = text_of(number)
    return None if text is None else CUTS[number](text)


def own_sql(page: str, database: str) -> str:
    """The SQL of the project's page of the same family."""
    return sql_of((PAGES / f"{page}.md").read_text(), database)
