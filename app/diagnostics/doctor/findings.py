"""A finding of the doctor: a broken rule, the object, and the fix.

Texts may name roles, schemas, tables and functions, and never contain a URL, a password, a secret or a row.
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
    """A rule that the doctor checks. Codes are stable; docs/doctor.md lists them."""

    code: str
    severity: Severity
    what: str
    why: str
    fix: str

    def broken(self, where: str, *, detail: str = "", sql: str = "", fix: str = "") -> "Finding":
        return Finding(self, where, detail, sql, fix or self.fix)


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that one object breaks; `sql` fixes it, if statements can."""

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
    """By severity, the worst first. Two findings with the same code and object become one."""
    ranks = list(Severity)
    unique = {(finding.rule.code, finding.where): finding for finding in findings}
    return sorted(
        unique.values(),
        key=lambda finding: (ranks.index(finding.severity), finding.rule.code, finding.where),
    )
