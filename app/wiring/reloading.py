"""Settings that change while the process serves: which of them can, and how they take effect.

Everything new is made first, which may fail, and then put in place in one go: no request sees half of it.
What holds for connections, sockets and processes, or for names that people's cookies have, needs a restart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from app.auth.functions import AuthFunctions
from app.auth.limits.guard import GuardedFunctions, RenewalTries
from app.catalogue import Catalogue
from app.core.session.revocations import EndedSessions
from app.events import SettingsRefused, SettingsReloaded
from app.logs import LogLines
from app.proxy.gateway import Gateway
from app.settings import Settings, SettingsInvalid, sentences, variable
from app.wiring.guarding import digests, limit_policy, renewal_windows
from app.wiring.observers import Watching
from app.wiring.parts import POSTGREST, admission, function_settings, limits, requests_at_once
from app.wiring.probes import PostgrestProbe

RELOADABLE: Final = (
    "log_format", "log_requests", "log_stranger_lines",
    "jwt_secret", "jwt_secret_is_base64", "jwt_audience", "jwt_leeway_seconds", "role_claim",
    "renewal", "auth_body_bytes", "account_argument", "password_queue", "password_queue_seconds",
    "login_limit_address", "login_limit_account", "login_limit_pair",
    "change_limit_address", "change_limit_session", "change_limit_account", "call_limit_address",
    "cookie_secure", "anonymous", "login_url", "trusted_origins", "trusted_proxies", "hsts",
    "head_bytes", "header_count", "target_bytes", "body_bytes", "pipelined_requests", "connections",
    "address_connections", "half_open_bytes",
    "idle_seconds", "head_seconds", "body_stall_seconds", "body_bytes_per_second", "write_stall_seconds",
    "linger_seconds", "linger_bytes", "postgrest_pool", "upstream_connections", "upstream_connect_seconds",
    "upstream_first_byte_seconds", "upstream_stall_seconds", "upstream_idle_seconds", "upstream_queue",
    "upstream_queue_seconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of a gateway that serves, as far as settings reach into them."""

    gateway: Gateway
    functions: AuthFunctions
    guard: GuardedFunctions
    tries: RenewalTries
    ended: EndedSessions
    lines: LogLines
    watching: Watching
    postgrest_probe: PostgrestProbe
    via: bytes
    catalogue: Catalogue

    def adopt(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        rules, bounds = admission(settings, self.ended, self.via), limits(settings)
        policy, digest, windows = (
            limit_policy(settings, self.catalogue),
            digests(settings),
            renewal_windows(settings),
        )
        told = function_settings(settings)
        self.functions.adopt(told)
        self.guard.adopt(policy, digest)
        self.guard.checks.adopt(settings.password_queue, settings.password_queue_seconds)
        self.tries.adopt(digest, windows)
        self.lines.adopt(
            settings.log_format, requests=settings.log_requests, stranger_lines=settings.log_stranger_lines
        )
        self.postgrest_probe.adopt(settings)
        self.gateway.upstreams[POSTGREST].at_once = requests_at_once(settings)
        self.gateway.adopt(rules, bounds, self.watching.relayed())


class Reloading:
    """Reads the settings again when it is told to."""

    def __init__(self, settings: Settings, running: Running) -> None:
        self._settings = settings
        self._running = running

    def reload(self, load: Callable[[], Settings]) -> None:
        """All of the new settings hold, or none of them."""
        observe = self._running.watching.observe
        try:
            new = load()
            settings = merged(self._settings, new)
        except SettingsInvalid as invalid:
            observe(SettingsRefused(tuple(invalid.problems)))
            return
        self._running.adopt(settings)
        observe(SettingsReloaded(changed(self._settings, settings), changed(settings, new)))
        self._settings = settings


def merged(old: Settings, new: Settings) -> Settings:
    """The new settings as far as they can be reloaded, among the old ones. Raises SettingsInvalid."""
    kept = {name: getattr(old, name) for name in Settings.model_fields}
    taken = {name: getattr(new, name) for name in RELOADABLE}
    try:
        return Settings.model_validate(kept | taken)
    except ValidationError as error:
        raise SettingsInvalid(sentences(error)) from None


def changed(old: Settings, new: Settings) -> tuple[str, ...]:
    """The variables of the settings that differ."""
    differing = (name for name in Settings.model_fields if getattr(old, name) != getattr(new, name))
    return tuple(variable(name) for name in differing)
