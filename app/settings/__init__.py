"""Settings: the fields, the kinds of their values (kinds, routes), and reading them (reading)."""

from app.settings.fields import PREFIX, RELOADABLE, Settings
from app.settings.reading import (
    SettingsInvalid,
    ignored_variables,
    load_anon_role,
    load_owner_url,
    load_secret_place,
    load_settings,
    sentences,
    variable,
)
from app.settings.strength import MIN_SECRET_BYTES

__all__ = [
    "MIN_SECRET_BYTES",
    "PREFIX",
    "RELOADABLE",
    "Settings",
    "SettingsInvalid",
    "ignored_variables",
    "load_anon_role",
    "load_owner_url",
    "load_secret_place",
    "load_settings",
    "sentences",
    "variable",
]
