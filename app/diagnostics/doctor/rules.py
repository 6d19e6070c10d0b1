"""All rules by code. The first digit stands for the subject; a code is never reused."""

from types import ModuleType
from typing import Final

from app.diagnostics.doctor import (
    cookies,
    credentials,
    functions,
    memberships,
    paths,
    people,
    postgrest,
    reach,
    schemas,
    secrets,
    server,
    shadows,
    tables,
    tokens,
    views,
)
from app.diagnostics.doctor.findings import Rule

_MODULES: Final[tuple[ModuleType, ...]] = (
    cookies,
    credentials,
    functions,
    memberships,
    paths,
    people,
    postgrest,
    reach,
    schemas,
    secrets,
    server,
    shadows,
    tables,
    tokens,
    views,
)


def _collect() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for module in _MODULES:
        for value in vars(module).values():
            if isinstance(value, Rule) and rules.setdefault(value.code, value) != value:
                raise ValueError(f"two rules have the code {value.code}")
    return dict(sorted(rules.items()))


RULES: Final = _collect()
