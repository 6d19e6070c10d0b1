"""Findings of `postgate check` for settings that do not fit the login functions of the database."""

from app.database import DatabaseUnreachable
from app.diagnostics.check.findings import Finding, warning
from app.diagnostics.suggest import suggest
from app.diagnostics.suggest.suggestion import Suggestion
from app.settings import Settings, variable

_LISTS = ("auth_functions", "token_members")
_NAMES = ("refresh_function", "refresh_argument", "pre_request")


async def missing(settings: Settings) -> list[Finding]:
    """A warning for each setting or step that `postgate suggest` would print, in the same words."""
    try:
        found = await suggest(settings.owner_url)
    except DatabaseUnreachable:  # that is a finding already
        return []
    return compare(found, settings)


def compare(found: list[Suggestion], settings: Settings) -> list[Finding]:
    """The warnings. Other settings than lists and names of functions are not compared."""
    by_field = {variable(field): field for field in Settings.model_fields}
    schema = next((one.value for one in found if one.variable == variable("auth_schema")), "")
    findings = []
    for one in found:
        field = by_field.get(one.variable, "")
        if one.fix:
            findings.append(warning(one.reason, one.fix))
        elif field in _LISTS:
            lacking = [name for name in one.value.split(",") if not _has(settings, field, name, schema)]
            if lacking:
                fix = f"Add {', '.join(lacking)} to {one.variable}; `postgate suggest` prints the whole line."
                findings.append(warning(f"{one.variable} lacks {', '.join(lacking)}. {one.reason}", fix))
        elif field in _NAMES and not (settings.renewal is False and field.startswith("refresh")):
            current = getattr(settings, field)
            if current is None or _full(current, settings.auth_schema) != _full(one.value, schema):
                fix = f"Set {one.variable}={one.value}."
                findings.append(warning(f"{one.variable} has another value. {one.reason}", fix))
    return findings


def _has(settings: Settings, field: str, name: str, schema: str) -> bool:
    listed: tuple[str, ...] = getattr(settings, field)
    if field != "auth_functions":
        return name in listed
    return _full(name, schema) in {_full(each, settings.auth_schema) for each in listed}


def _full(name: str, schema: str) -> str:
    """A function with its schema. Arguments have none, and are compared alike on both sides."""
    return name if "." in name else f"{schema}.{name}"
