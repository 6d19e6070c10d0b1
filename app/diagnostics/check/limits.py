"""Whether the limits of the system suffice for the settings, and which variables a platform has added."""

from collections.abc import Sequence

from app.diagnostics.check.findings import Finding, ok, warning
from app.settings import Settings
from app.system.limits import NO_SERVICE_LINKS, SystemLimits, look, shortfalls

__all__ = ["judge", "judge_ignored", "look"]


def judge(limits: SystemLimits, settings: Settings) -> list[Finding]:
    found = shortfalls(limits, settings)
    if not found:
        return [ok("This process may open as many connections as the settings allow.")]
    return [warning(each.text, each.fix) for each in found]


def judge_ignored(names: Sequence[str]) -> list[Finding]:
    """A warning about variables that look like settings and come from a platform."""
    if not names:
        return []
    return [
        warning(
            "Variables that Kubernetes or Docker set for a service called postgate are ignored: "
            f"{', '.join(names)}.",
            NO_SERVICE_LINKS,
        )
    ]
