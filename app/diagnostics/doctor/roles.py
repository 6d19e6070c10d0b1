"""The roles of the cluster, their memberships, and what follows from them.

From PostgreSQL 16 on, each membership has the options `inherit` and `set`. Before, `inherit` is an attribute
of the member, and `set` always holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.reading import Reader

MEMBERSHIPS_OF_THEIR_OWN: Final = 160000  # server_version_num from which memberships have options
_MOST: Final = 20_000

_ROLES: Final = """
select r.oid::bigint as id,
       r.rolname::pg_catalog.text as name,
       r.rolcanlogin as may_log_in,
       r.rolsuper as is_superuser,
       r.rolbypassrls as bypasses_policies,
       r.rolcreaterole as creates_roles,
       r.rolreplication as replicates
  from pg_catalog.pg_roles as r
 order by r.oid
 limit $1
"""
_EDGES: Final = """
select m.rolname::pg_catalog.text as member,
       r.rolname::pg_catalog.text as role,
       case when a.grantor <> 10 then g.rolname::pg_catalog.text end as grantor,
       {inherits} as inherits,
       {may_become} as may_become
  from pg_catalog.pg_auth_members as a
  join pg_catalog.pg_roles as m on m.oid = a.member
  join pg_catalog.pg_roles as r on r.oid = a.roleid
  left join pg_catalog.pg_roles as g on g.oid = a.grantor
 order by 1, 2
 limit $1
"""
_BOOTSTRAP: Final = 10  # the role that initdb creates, always a superuser


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    id: int
    name: str
    may_log_in: bool
    is_superuser: bool
    bypasses_policies: bool
    creates_roles: bool
    replicates: bool

    @property
    def is_first(self) -> bool:
        return self.id == _BOOTSTRAP

    @property
    def is_the_servers(self) -> bool:
        return self.name.startswith("pg_")

    @property
    def powers(self) -> list[tuple[str, str]]:
        """Its attributes that bypass grants: a phrase, and the word of `alter role` that removes it."""
        every = [
            (self.is_superuser, "is a superuser", "nosuperuser"),
            (self.bypasses_policies, "bypasses row level security", "nobypassrls"),
            (self.creates_roles, "creates roles", "nocreaterole"),
            (self.replicates, "may copy the whole cluster (replication)", "noreplication"),
        ]
        return [(words, word) for has, words, word in every if has]


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    member: str
    role: str
    grantor: str | None  # None: the first superuser, for whom every superuser acts
    inherits: bool
    may_become: bool

    def revoke(self, *, version: int) -> str:
        return f"revoke {sql_name(self.role)} from {sql_name(self.member)}{self._by(version)};"

    def disinherit(self, *, version: int) -> str:
        """For PostgreSQL 16 and later: before, the member itself has `noinherit`."""
        role, member = sql_name(self.role), sql_name(self.member)
        return f"grant {role} to {member} with inherit false{self._by(version)};"

    def _by(self, version: int) -> str:
        has_grantor = self.grantor is not None and version >= MEMBERSHIPS_OF_THEIR_OWN
        return f" granted by {sql_name(self.grantor)}" if has_grantor and self.grantor else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    roles: dict[str, Role] = field(default_factory=dict)
    memberships: Sequence[Membership] = ()

    def reachable(self, name: str) -> set[str]:
        """The roles that it may become, itself excluded."""
        return self._follow(name, [edge for edge in self.memberships if edge.may_become])

    def held(self, name: str) -> set[str]:
        """The roles whose rights it inherits, itself included."""
        return self._follow(name, [edge for edge in self.memberships if edge.inherits]) | {name}

    def untrusted(self, trusted: set[str]) -> set[str]:
        """The roles that a login is or may become, except superusers and the trusted ones.

        All memberships count: a role with the admin option may grant itself the `set` option.
        """
        logins = [
            role.name
            for role in self.roles.values()
            if role.may_log_in and not role.is_superuser and role.name not in trusted
        ]
        acting = set(logins).union(*(self._follow(name, self.memberships) for name in logins))
        return {name for name in acting - trusted if not self.roles[name].is_superuser}

    def of(self, members: set[str]) -> list[Membership]:
        return [edge for edge in self.memberships if edge.member in members]

    @staticmethod
    def _follow(name: str, edges: Sequence[Membership]) -> set[str]:
        following: dict[str, set[str]] = {}
        for edge in edges:
            following.setdefault(edge.member, set()).add(edge.role)
        reached: set[str] = set()
        ahead = [name]
        while ahead:
            found = following.get(ahead.pop(), set()) - reached
            reached |= found
            ahead += found
        return reached - {name}


async def look(reader: Reader, *, version: int) -> Roles:
    has_options = version >= MEMBERSHIPS_OF_THEIR_OWN
    edges = _EDGES.format(
        inherits="a.inherit_option" if has_options else "m.rolinherit",
        may_become="a.set_option" if has_options else "true",
    )
    roles = [Role(**row) for row in await reader.rows("the roles", _ROLES, _MOST)]
    return Roles(
        roles={role.name: role for role in roles},
        memberships=[
            Membership(**row) for row in await reader.rows("the memberships of roles", edges, _MOST)
        ],
    )
