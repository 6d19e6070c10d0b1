"""A patient: a database of one's own before the shared PostgREST, and what the doctor says of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.devstack import Database
from app.diagnostics.doctor import Finding, Severity, run_doctor
from app.settings import load_settings

Environ = dict[str, str]

# Up to PostgreSQL 14 every login may create in the schema public, which is a finding
CLOSE_PUBLIC = "revoke create on schema public from public;"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found."""

    findings: Sequence[Finding]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Code and object of each, the worst first."""
        return [(finding.rule.code, finding.where) for finding in self.findings]

    @property
    def serious(self) -> list[tuple[str, str]]:
        return [
            (finding.rule.code, finding.where)
            for finding in self.findings
            if finding.severity is not Severity.NOTE
        ]

    def of(self, code: str) -> Finding:
        [finding] = [finding for finding in self.findings if finding.rule.code == code]
        return finding


@dataclass(frozen=True, slots=True)
class Patient:
    """What is planted here is found here alone, roles excepted: those belong to the cluster."""

    database: Database
    environ: Environ

    async def examine(self, **settings: str) -> Report:
        """With all three logins, unless the settings say otherwise."""
        changed = {**self.environ, **{f"POSTGATE_{name.upper()}": value for name, value in settings.items()}}
        report = Report(await run_doctor(load_settings(changed)))
        assert changed["POSTGATE_JWT_SECRET"] not in repr(report)
        return report

    def plant(self, statements: str) -> None:
        self.database.execute(
            statements.replace("{database}", f'"{self.database.name}"').replace(
                "{secret}", self.environ["POSTGATE_JWT_SECRET"]
            )
        )

    @property
    def version(self) -> int:
        [row] = self.database.fetch("select current_setting('server_version_num')::integer")
        return int(row[0])
