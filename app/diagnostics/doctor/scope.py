"""The roles of clients and the schemas that they reach: the scope of all checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor import roles
from app.diagnostics.doctor.logins import Login, Part
from app.diagnostics.doctor.reading import Reader, fields
from app.diagnostics.doctor.roles import Roles
from app.settings import Settings

OUR_MACHINERY: Final = "auth_private"
OUR_OWNER: Final = "auth_owner"  # a login that may become it has its own finding
_OURS: Final = ("auth", OUR_MACHINERY)
OUR_SCHEMAS: Final = (*_OURS, "postgate")
_DEFAULT_LOGIN: Final = "authenticator"
_OWNERS_OWN: Final = "pg_database_owner"  # its only member is the owner of the database
_MOST_ROLES: Final = 200
_MOST_SCHEMAS: Final = 1_000

_GROUNDS: Final = """
select pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text as owner,
       exists (
         select from pg_catalog.pg_class as c
          where c.relname = 'migration'
            and c.relnamespace = (select n.oid from pg_catalog.pg_namespace as n where n.nspname = 'postgate')
       ) as is_ours,
       array(
         select distinct n.nspname::pg_catalog.text
           from pg_catalog.pg_extension as e
           join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
          where n.nspname <> 'pg_catalog'
          order by 1
       ) as extensions,
       (
         select s.usename::pg_catalog.text
           from pg_catalog.pg_stat_activity as s
          where s.datname = d.datname and s.application_name ilike 'postgrest%'
          group by s.usename
          order by pg_catalog.count(*) desc
          limit 1
       ) as postgrest
  from pg_catalog.pg_database as d
 where d.datname = pg_catalog.current_database()
"""
_SCHEMAS: Final = """
select n.nspname::pg_catalog.text as name,
       pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text as owner,
       array(
         select r.rolname::pg_catalog.text from pg_catalog.pg_roles as r
          where r.rolname::pg_catalog.text = any($1::pg_catalog.text[])
            and pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
          order by 1
       ) as users,
       array(
         select r.rolname::pg_catalog.text from pg_catalog.pg_roles as r
          where r.rolname::pg_catalog.text = any($1::pg_catalog.text[])
            and pg_catalog.has_schema_privilege(r.oid, n.oid, 'create')
          order by 1
       ) as creators,
       array(
         select distinct coalesce(g.rolname::pg_catalog.text, 'public')
           from pg_catalog.aclexplode(n.nspacl) as a
           left join pg_catalog.pg_roles as g on g.oid = a.grantee
          where a.grantee <> n.nspowner and a.privilege_type = 'CREATE'
       ) as create_grantees,
       array(
         select distinct coalesce(g.rolname::pg_catalog.text, 'public')
           from pg_catalog.aclexplode(n.nspacl) as a
           left join pg_catalog.pg_roles as g on g.oid = a.grantee
          where a.grantee <> n.nspowner and a.privilege_type = 'USAGE'
       ) as usage_grantees
  from pg_catalog.pg_namespace as n
 where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
 order by 1
 limit $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grounds:
    owner: str = ""
    is_ours: bool = False
    extensions: tuple[str, ...] = ()
    postgrest: str | None = None  # the login of a connection with PostgREST's application name


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    name: str
    owner: str
    users: Sequence[str]  # API roles with usage
    creators: Sequence[str]  # API roles that may create objects in it
    create_grantees: Sequence[str]  # `public` included, its owner excluded
    usage_grantees: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    version: int
    is_ours: bool  # the schema auth is Postgate's
    gateway: str
    postgrest: str  # PostgREST's login; empty if unknown
    anon: str
    clients: tuple[str, ...]  # the API roles: those that PostgREST becomes for a request
    held: dict[str, set[str]]  # by API role: the roles whose rights it has, itself included
    owner: str  # of the database
    owners: frozenset[str]  # of the database and of the auth schemas: no client may become one
    schemas: dict[str, Schema]
    extensions: tuple[str, ...]  # their schemas
    auth: tuple[str, ...]
    exposed: tuple[str, ...]
    auth_schema: str
    called: frozenset[str]  # the functions in it that the gateway calls for clients
    untrusted: frozenset[str]  # the roles that logins are or may become, except superusers and owners' logins
    role_names: frozenset[str]  # a schema with such a name is in that role's path ("$user")

    @property
    def watched(self) -> tuple[str, ...]:
        """The schemas whose objects are examined, without the server's own."""
        return tuple(name for name in dict.fromkeys((*self.exposed, *self.auth)) if name in self.schemas)

    def granted(self, names: Sequence[str], grantees: Sequence[str], owner: str) -> list[str]:
        """The API roles among `names` that have a right by a grant or as owner.

        A superuser, or a member of a pg_* role, has its own finding instead of one for every object.
        """
        giving = {*grantees, owner}
        return [
            name
            for name in names
            if name in self.held and ("public" in giving or not giving.isdisjoint(self.held[name]))
        ]

    def grants(self, clients: Sequence[str], grantees: Sequence[str]) -> str:
        """The grantees from which these clients have a right, as an SQL list."""
        return ", ".join(
            name if name == "public" else sql_name(name) for name in self.reaching(clients, grantees)
        )

    def reaching(self, clients: Sequence[str], grantees: Sequence[str]) -> list[str]:
        """The grantees from which these clients have a right."""
        held = set().union(*(self.held[name] for name in clients))
        return sorted(name for name in grantees if name == "public" or name in held)

    def is_open(self, schema: Schema) -> bool:
        """Whether a role besides its owner, superusers and the owner of the database may create in it."""
        return bool(schema.creators or self.untrusted_grantees(schema.create_grantees))

    def take_over(self, what: str) -> str:
        """The statement that gives a client's object to the owner of the database."""
        return f"alter {what} owner to {sql_name(self.owner)};"

    def untrusted_grantees(self, grantees: Sequence[str]) -> list[str]:
        """The grantees from which an untrusted login has a right."""
        return sorted(name for name in grantees if name == "public" or name in self.untrusted)


async def look(
    reader: Reader, settings: Settings, logins: Sequence[Login], exposed: Sequence[str] | None
) -> tuple[Scope, Roles]:
    """`exposed`: the schemas that PostgREST lists; if None, all that clients may use count."""
    version = logins[0].version
    graph = await roles.look(reader, version=version)
    rows = await reader.rows("the database", _GROUNDS)
    grounds = _Grounds(**fields(rows[0])) if rows else _Grounds()
    everywhere = await _look_at_schemas(reader, [])
    wanted = (settings.auth_schema, *(_OURS if grounds.is_ours else ()))
    auth = tuple(name for name in dict.fromkeys(wanted) if name in everywhere)

    gateway = _name(logins, Part.GATEWAY)
    postgrest = _postgrest_login(reader, logins, grounds, graph)
    owners = {grounds.owner, *(everywhere[name].owner for name in auth)} - {""}
    clients = _bounded(reader, _clients(graph, settings.anon_role, postgrest, above=owners | {gateway}))
    schemas = await _look_at_schemas(reader, clients)
    if exposed is None:
        exposed = [schema.name for schema in schemas.values() if schema.users and schema.name not in auth]
    scope = Scope(
        version=version,
        is_ours=grounds.is_ours,
        gateway=gateway,
        postgrest=postgrest,
        anon=settings.anon_role,
        clients=tuple(clients),
        held={name: graph.held(name) for name in clients},
        owner=grounds.owner,
        owners=frozenset(owners),
        schemas=schemas,
        extensions=grounds.extensions,
        auth=auth,
        exposed=tuple(exposed),
        auth_schema=settings.auth_schema,
        called=frozenset(settings.in_auth_schema((*settings.auth_functions, *settings.account_functions))),
        untrusted=frozenset(
            graph.untrusted({grounds.owner, _name(logins, Part.OWNER), _OWNERS_OWN, OUR_OWNER})
        ),
        role_names=frozenset(graph.roles),
    )
    return scope, graph


def _postgrest_login(reader: Reader, logins: Sequence[Login], grounds: _Grounds, graph: Roles) -> str:
    """The login of the settings, of an open connection, or the default one; empty if unknown."""
    default = _DEFAULT_LOGIN if _DEFAULT_LOGIN in graph.roles else ""
    postgrest = _name(logins, Part.POSTGREST) or grounds.postgrest or default
    if not postgrest:
        reader.add_not_checked("the roles that PostgREST becomes", "its login is unknown")
    return postgrest


def _bounded(reader: Reader, clients: list[str]) -> list[str]:
    if len(clients) > _MOST_ROLES:
        reader.add_not_checked("some of the roles of clients", f"there are more than {_MOST_ROLES}")
    return clients[:_MOST_ROLES]


async def _look_at_schemas(reader: Reader, clients: Sequence[str]) -> dict[str, Schema]:
    rows = await reader.rows("the schemas", _SCHEMAS, clients, _MOST_SCHEMAS)
    return {row["name"]: Schema(**fields(row)) for row in rows}


def _name(logins: Sequence[Login], part: Part) -> str:
    return next((login.name for login in logins if login.part is part), "")


def _clients(graph: Roles, anon: str, postgrest: str, *, above: set[str]) -> list[str]:
    """The API roles, without roles that PostgREST must not become: these have their own finding."""
    known = (graph.roles[name] for name in {anon, *graph.reachable(postgrest)} if name in graph.roles)
    return sorted(
        role.name
        for role in known
        if role.name == anon or not (role.is_superuser or role.is_the_servers or role.name in above)
    )
