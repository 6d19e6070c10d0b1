"""What the doctor has found: a rule that is broken, where, and the way out.

Texts may name roles, schemas, tables and functions, and never hold a URL, a password, a secret or a row.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    DANGER = "danger"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to look for. The code is stable; docs/doctor.md lists them all."""

    code: str
    severity: Severity
    what: str
    why: str
    fix: str

    def broken(self, where: str, *, detail: str = "", sql: str = "", fix: str = "") -> "Finding":
        return Finding(self, where, detail, sql, fix or self.fix)


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that is broken by one object; `sql` mends it, where statements can."""

    rule: Rule
    where: str
    detail: str = ""
    sql: str = ""
    fix: str = ""

    @property
    def severity(self) -> Severity:
        return self.rule.severity

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.rule.code,
            "severity": self.severity.value,
            "object": self.where,
            "what": self.rule.what,
            "detail": self.detail,
            "why": self.rule.why,
            "fix": self.fix,
            "sql": self.sql,
        }


def in_order(findings: list[Finding]) -> list[Finding]:
    """The worst first; the same object twice under one code is one finding."""
    ranks = list(Severity)
    unique = {(finding.rule.code, finding.where): finding for finding in findings}
    return sorted(
        unique.values(),
        key=lambda finding: (ranks.index(finding.severity), finding.rule.code, finding.where),
    )
