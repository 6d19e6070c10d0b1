"""Secrets that every role can read: settings of a database, a role or the server.

Values stay on the server: it returns their digests, which are compared with the digest of the gateway's
secret.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.reading import Reader, fields
from app.diagnostics.doctor.scope import Scope
from app.settings import Settings

STORED_JWT_SECRET: Final = Rule(
    "PD101",
    Severity.DANGER,
    "The JWT secret is stored in a setting, where every role can read it.",
    "Any function or view that shows settings exposes it, and dumps and configuration files contain it. "
    "With the secret, a client can sign a token for any user and role.",
    "Reset the setting: the gateway passes the secret with each call. Then change the secret: `postgate "
    "secret rotate`.",
)
STORED_SECRET: Final = Rule(
    "PD102",
    Severity.WARNING,
    "A setting whose name suggests a secret is stored where every role can read it.",
    "Settings of databases and roles are not secret: every role can read pg_db_role_setting.",
    "Reset the setting, and keep the value in a table that clients may not read.",
)
IN_DATABASE: Final = Rule(
    "PD507",
    Severity.NOTE,
    "PostgREST reads a part of its configuration from the database.",
    "These settings override its environment and its file.",
    "Consider them when you examine what PostgREST does; db_pre_request runs before every request.",
)

WELL_KNOWN: Final = ("app.settings.jwt_secret", "app.jwt_secret", "pgrst.jwt_secret", "jwt.secret")
is_secret: Final = re.compile(
    r"\w+\.(?:\w+\.)*\w*(?:secret|secret_key|password|passwd|private_?key|api_?key|jwt_?key|signing_?key)",
    re.IGNORECASE,
).fullmatch
_WEAK: Final = "It is also weak: an attacker who has one token can guess it."
_IS_JWT: Final = re.compile(r"jwt|pgrst", re.IGNORECASE).search
_POSTGREST: Final = "pgrst."
_FILE: Final = "@"  # PostgREST reads the rest as the name of a file

# `name=value`, and no name has a `=` in it
_STORED: Final = r"""
select coalesce(d.datname::pg_catalog.text, '') as database,
       coalesce(r.rolname::pg_catalog.text, '') as role,
       coalesce(d.datname = pg_catalog.current_database(), true) as is_here,
       v.name,
       pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(v.value, 'UTF8')), 'hex') as digest,
       v.value = '' as is_empty,
       v.value ~ '^(.+)\1+$'
         or (
           select pg_catalog.count(distinct l.letter) < 12
             from pg_catalog.regexp_split_to_table(v.value, '') as l (letter)
         ) as is_weak,
       pg_catalog.left(v.value, 1) as beginning,
       case when v.name = 'pgrst.db_pre_request' then v.value end as pre_request
  from pg_catalog.pg_db_role_setting as s
  cross join lateral pg_catalog.unnest(s.setconfig) as setting
  cross join lateral (
    select pg_catalog.split_part(setting, '=', 1),
           pg_catalog.substr(setting, pg_catalog.strpos(setting, '=') + 1)
  ) as v (name, value)
  left join pg_catalog.pg_database as d on d.oid = s.setdatabase
  left join pg_catalog.pg_roles as r on r.oid = s.setrole
 order by 1, 2, 4
 limit 5000
"""
_CURRENT: Final = """
select n.name,
       pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(v.value, 'UTF8')), 'hex') as digest,
       pg_catalog.left(v.value, 1) as beginning
  from pg_catalog.unnest($1::pg_catalog.text[]) as n (name)
  cross join lateral (select pg_catalog.current_setting(n.name, true)) as v (value)
 where v.value <> ''
"""
_IN_FILES: Final = """
select distinct f.name from pg_catalog.pg_file_settings as f where f.name like '%.%' order by 1 limit 1000
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One `alter database ... set` or `alter role ... set`."""

    database: str  # empty: all of them
    role: str  # empty: all of them
    is_here: bool
    name: str
    digest: str
    is_empty: bool
    is_weak: bool  # a repeated shorter text, or fewer than 12 different characters
    beginning: str
    pre_request: str | None  # the function that PostgREST calls before every request

    @property
    def where(self) -> str:
        places = [f"role {sql_name(self.role)}"] if self.role else []
        places += [f"database {sql_name(self.database)}"] if self.database else []
        return f"setting {self.name} of {' in '.join(places) or 'all roles'}"

    @property
    def reset(self) -> str:
        if self.role or not self.database:
            whom = sql_name(self.role) if self.role else "all"
            place = f" in database {sql_name(self.database)}" if self.database else ""
            return f"alter role {whom}{place} reset {_sql(self.name)};"
        return f"alter database {sql_name(self.database)} reset {_sql(self.name)};"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """A setting that a role of clients can read."""

    name: str
    digest: str
    beginning: str


def written(settings: Settings) -> frozenset[str]:
    """The texts in which the gateway's secret may be stored."""
    ring = settings.jwt_ring
    texts = {ring.text, ring.text.strip()}
    if ring.signing.is_symmetric:
        texts |= {ring.for_sql[0], ring.for_recipes}
    texts |= {key.decode() for key in ring.secrets if key.isascii() and key.decode().isprintable()}
    return frozenset(texts)


async def look_at_stored(reader: Reader) -> list[Stored]:
    return [Stored(**fields(row)) for row in await reader.rows("the settings of roles", _STORED)]


async def look_at_files(reader: Reader) -> list[str]:
    """The names of settings in the server's files, if this login may read them."""
    rows = await reader.rows("the server's configuration files", _IN_FILES)
    return [row["name"] for row in rows if is_secret(row["name"])]


async def look_at_readable(reader: Reader, names: Iterable[str], role: str) -> list[Readable]:
    """The settings that a role of clients can read in a session of this login."""
    rows = await reader.rows(f"settings as role {sql_name(role)}", _CURRENT, sorted(names), role=role)
    return [Readable(**fields(row)) for row in rows]


def judge(stored: Sequence[Stored], readable: Sequence[Readable], settings: Settings) -> list[Finding]:
    ours = {hashlib.sha256(text.encode()).hexdigest() for text in written(settings)}
    findings = []
    for setting in stored:
        rule = _rule(setting, ours)
        is_mine = setting.is_here or setting.digest in ours
        if rule is not None and is_mine and not setting.is_empty:
            detail = _WEAK if setting.is_weak and rule is STORED_JWT_SECRET else ""
            findings.append(rule.broken(setting.where, detail=detail, sql=setting.reset))
    explained = {setting.name for setting in stored if setting.is_here}
    for seen in readable:
        rule = _rule(seen, ours)
        if rule is not None and seen.name not in explained:
            sql = f"alter system reset {_sql(seen.name)};\nselect pg_catalog.pg_reload_conf();"
            fix = f"{rule.fix} If it is in postgresql.conf, remove the line."
            findings.append(rule.broken(f"setting {seen.name} of the server", sql=sql, fix=fix))
    return findings


def judge_configuration(stored: Sequence[Stored], scope: Scope) -> list[Finding]:
    """The part of PostgREST's configuration that is stored as settings of its login."""
    names: Mapping[str, None] = dict.fromkeys(
        setting.name.removeprefix(_POSTGREST)
        for setting in stored
        if setting.is_here and setting.role == scope.postgrest and setting.name.startswith(_POSTGREST)
    )
    if not names or not scope.postgrest:
        return []
    return [IN_DATABASE.broken(f"role {sql_name(scope.postgrest)}", detail=f"Set: {', '.join(names)}.")]


def _sql(name: str) -> str:
    """The name of a setting in SQL, each part quoted: a part may be a key word."""
    return ".".join(sql_name(part) for part in name.split("."))


def _rule(setting: Stored | Readable, ours: set[str]) -> Rule | None:
    if setting.digest in ours:
        return STORED_JWT_SECRET
    if is_secret(setting.name) is None or setting.beginning == _FILE:
        return None
    return STORED_JWT_SECRET if _IS_JWT(setting.name) else STORED_SECRET
