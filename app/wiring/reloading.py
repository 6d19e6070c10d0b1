"""Reload settings while the process serves. Each field of the settings says whether it can be reloaded.

All new parts are built first, which may fail, and then replaced without an await between: no request gets a
mixture. Settings of connections, sockets and processes, and the names of cookies, need a restart.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from app.catalogue import Catalogue
from app.core.session.revocations import Revocations
from app.core.tokens.admissions import Admissions
from app.events import SettingsRejected, SettingsReloaded
from app.proxy.gateway import Gateway
from app.routes.well_known import PublishedKeys
from app.settings import RELOADABLE, Settings, SettingsInvalid, sentences, variable
from app.wiring.admission import admission
from app.wiring.database_parts import DatabaseParts
from app.wiring.functions import function_settings, reminting, token_rules
from app.wiring.issuers import minting
from app.wiring.limits import digests, limit_policy, renewal_windows
from app.wiring.mail import mail_composer
from app.wiring.observers import Observers
from app.wiring.pools import POSTGREST, limits, requests_at_once
from app.wiring.probes import PostgrestProbe


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of a running gateway that depend on reloadable settings."""

    gateway: Gateway
    parts: DatabaseParts
    revocations: Revocations
    observers: Observers
    postgrest_probe: PostgrestProbe
    keys: PublishedKeys
    admissions: Admissions | None
    via: bytes
    catalogue: Catalogue
    sql_secret: str = field(repr=False)  # the same after each reload: calls may be in flight

    def adopt(self, settings: Settings) -> None:
        """Use these settings from now on."""
        rules = admission(settings, self.revocations, self.via, self.admissions)
        bounds = limits(settings)
        policy = limit_policy(settings, self.catalogue)
        digest, windows = digests(settings), renewal_windows(settings)
        for_sql = function_settings(settings, self.sql_secret)
        finish = reminting(settings, rules.verifier, self.sql_secret)
        compose = None if self.parts.delivery is None else mail_composer(settings)
        self.parts.functions.adopt(for_sql, finish)
        self.parts.adopting.adopt(for_sql, finish)
        self.parts.sign_ins.use(token_rules(settings, rules.verifier))
        self.parts.guard.adopt(policy, digest)
        self.parts.guard.checks.adopt(settings.password_queue, settings.password_queue_seconds)
        self.parts.attempts.adopt(digest, windows)
        self.observers.lines.adopt(
            settings.log_format,
            requests=settings.log_requests,
            lines_per_second=settings.log_lines_per_second,
        )
        self.postgrest_probe.adopt(settings)
        self.keys.adopt(settings)
        if self.parts.delivery is not None and compose is not None:
            self.parts.delivery.adopt(compose)
        if self.admissions is not None:
            self.admissions.adopt(minting(settings))
        self.gateway.upstreams[POSTGREST].slots = requests_at_once(settings)
        self.gateway.adopt(rules, bounds, self.observers.relayed())


class Reloading:
    """Reloads the settings on request."""

    def __init__(self, settings: Settings, running: Running) -> None:
        self._settings = settings
        self._running = running

    def reload(self, load: Callable[[], Settings]) -> None:
        """Apply all of the new settings, or none if they are invalid. Emits the result."""
        emit = self._running.observers.emit
        try:
            new = load()
            settings = merged(self._settings, new)
        except SettingsInvalid as invalid:
            emit(SettingsRejected(tuple(invalid.problems)))
            return
        self._running.adopt(settings)
        emit(SettingsReloaded(changed(self._settings, settings), changed(settings, new)))
        self._settings = settings


def merged(old: Settings, new: Settings) -> Settings:
    """The old settings with the reloadable fields of the new ones. Raises SettingsInvalid."""
    kept = {name: getattr(old, name) for name in Settings.model_fields}
    taken = {name: getattr(new, name) for name in RELOADABLE}
    try:
        return Settings.model_validate(kept | taken)
    except ValidationError as error:
        raise SettingsInvalid(sentences(error)) from None


def changed(old: Settings, new: Settings) -> tuple[str, ...]:
    """The names of the variables whose settings differ."""
    differing = (name for name in Settings.model_fields if getattr(old, name) != getattr(new, name))
    return tuple(variable(name) for name in differing)
