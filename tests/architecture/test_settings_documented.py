"""docs/configuration.md and .env.example say what app/settings does, of every setting, in its order."""

import base64
import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from app.settings import Settings, SettingsInvalid, load_settings, variable

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/configuration.md").read_text(encoding="utf-8")
EXAMPLE = (REPOSITORY / ".env.example").read_text(encoding="utf-8")

ROWS = [
    tuple(cell.strip() for cell in row.strip("|").split("|"))
    for row in PAGE.splitlines()
    if row.startswith("| `POSTGATE_")
]
LINES = dict(re.findall(r"^#?(POSTGATE_[A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))
NAMES = [variable(field) for field in Settings.model_fields]
UNITS = {"_SECONDS": "seconds", "_BYTES": "bytes", "_CONNECTIONS": "connections"}

REQUIRED = {
    "POSTGATE_DATABASE_URL": "postgresql://gateway@db/app",
    "POSTGATE_JWT_SECRET": base64.b64encode(bytes(range(32))).decode(),
}


def default_of(name: str) -> str | None:
    """As it is written in the environment; None for a setting that has none, or an empty one."""
    default = Settings.model_fields[name.removeprefix("POSTGATE_").lower()].default
    if default is None or default == () or default is PydanticUndefined:
        return None
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_the_page_has_every_setting_and_no_other() -> None:
    assert [row[0].strip("`") for row in ROWS] == NAMES


def test_the_page_has_the_defaults() -> None:
    for name, default, _unit, _meaning in ROWS:
        field = Settings.model_fields[name.strip("`").removeprefix("POSTGATE_").lower()]
        written = default_of(name.strip("`"))
        expected = f"`{written}`" if written is not None else "required" if field.is_required() else "not set"
        assert default == expected, name


def test_the_page_has_the_units_that_the_names_say() -> None:
    for name, _default, unit, meaning in ROWS:
        for ending, expected in UNITS.items():
            if name.strip("`").endswith(ending):
                assert unit == expected, name
        assert meaning.endswith("."), name


def test_the_example_has_every_setting_once_with_its_default() -> None:
    assert sorted(LINES) == sorted(NAMES)
    assert {name: value for name, value in LINES.items() if value != (default_of(name) or "")} == {}
    assert EXAMPLE.count("POSTGATE_DATABASE_URL=\n") == 1


def test_the_example_sets_what_must_be_set_and_nothing_else() -> None:
    assert re.findall(r"^(POSTGATE_[A-Z0-9_]+)=", EXAMPLE, re.MULTILINE) == list(REQUIRED)


def test_the_example_as_it_stands_starts_nothing() -> None:
    # A sample secret in a file that is copied ends up in production
    with pytest.raises(SettingsInvalid) as invalid:
        load_settings(LINES)
    assert invalid.value.problems == [f"{name} is not set" for name in REQUIRED]


def test_the_example_filled_in_gives_the_defaults() -> None:
    assert load_settings({**LINES, **REQUIRED}) == load_settings(REQUIRED)
