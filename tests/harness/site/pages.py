"""The blocks of a page of docs: its SQL, settings, commands and what they print."""

import re


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def sql_of(page: str, database: str) -> str:
    """All SQL of a page, for a database of that name."""
    return "\n".join(blocks(page, "sql")).replace("alter database app", f'alter database "{database}"')


def settings_of(page: str) -> dict[str, str]:
    lines = [line for block in blocks(page, "ini") for line in block.splitlines() if line]
    return dict(line.split("=", 1) for line in lines)
