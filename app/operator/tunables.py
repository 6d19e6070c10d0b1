"""The settings in auth.setting: list them and change them.

The database defines names, ranges and defaults: app/sql/routines/12_settings.sql.
"""

from dataclasses import dataclass
from typing import Final

from app.operator.owner import OwnerRefused, as_owner, check_text

_WHAT: Final = "settings"
_LIST: Final = """
select name, value, default_value, lowest, highest, unit, meaning
  from auth.setting
 order by name collate pg_catalog."C"
"""
_SET: Final = "update auth.setting set value = $2 where name = $1"


@dataclass(frozen=True, slots=True)
class Tunable:
    """A row of auth.setting."""

    name: str
    value: int | None  # None: the default
    default_value: int
    lowest: int
    highest: int
    unit: str
    meaning: str


async def list_tunables(url: str) -> list[Tunable]:
    """All settings by name. Raises OwnerRefused, DatabaseUnreachable."""
    async with as_owner(url, _WHAT) as owner:
        return [Tunable(**row) for row in await owner.fetch(_LIST)]


async def set_tunable(url: str, name: str, value: int | None) -> None:
    """Change a setting; None restores the default. Raises OwnerRefused, DatabaseUnreachable."""
    check_text(name)
    async with as_owner(url, _WHAT) as owner:
        found = {row["name"]: Tunable(**row) for row in await owner.fetch(_LIST)}
        if name not in found:
            raise OwnerRefused("There is no such setting: `postgate setting list` shows them.")
        known = found[name]
        if value is not None and not known.lowest <= value <= known.highest:
            raise OwnerRefused(f"{name} must be from {known.lowest} to {known.highest} {known.unit}.")
        await owner.execute(_SET, name, value)
