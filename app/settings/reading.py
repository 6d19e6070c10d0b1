"""The only reader of the environment: POSTGATE_* variables, each also as POSTGATE_*_FILE.

Every problem is reported at once, by the name of its variable and never by its value.
"""

import base64
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from secrets import token_bytes
from typing import Any

from pydantic import SecretStr, TypeAdapter, ValidationError

from app.settings.fields import PREFIX, Settings
from app.settings.keys import MIN_SECRET_BYTES
from app.settings.kinds import check_database_url


class SettingsInvalid(Exception):
    """The settings cannot be used; `problems` names each variable and what is wrong with it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where the JWT secret is: in a file, or in the environment."""

    file: Path | None
    text: str = field(repr=False)
    is_base64: bool


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:  # noqa: TID251
    """Read the settings. Raises SettingsInvalid with every problem found."""
    values, problems = _collect(environ, Settings.model_fields)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        found = [*sentences(error), *_problems_among_the_rest(values, error)]
        raise SettingsInvalid(problems + found) from None
    if problems:
        raise SettingsInvalid(problems)
    return settings


def load_owner_url(environ: Mapping[str, str] = os.environ) -> str:  # noqa: TID251
    """Read the owner's connection and nothing else, for a container that only migrates.

    Raises SettingsInvalid with every problem found.
    """
    owner, gateway = "owner_database_url", "database_url"
    values, problems = _collect(environ, (owner, gateway))
    field = owner if owner in values else gateway
    url = SecretStr("")
    if field in values:
        try:
            url = check_database_url(SecretStr(values[field]))
        except ValueError as error:
            problems.append(f"{variable(field)} {error}")
    elif not problems:
        problems.append(f"{variable(owner)} is not set, and neither is {variable(gateway)}")
    if problems:
        raise SettingsInvalid(problems)
    return url.get_secret_value()


def load_secret_place(environ: Mapping[str, str] = os.environ) -> SecretPlace:  # noqa: TID251
    """Find out where the JWT secret is, for a verb that changes it. Raises SettingsInvalid."""
    form, secret = "jwt_secret_is_base64", "jwt_secret"
    values, problems = _collect(environ, (form,))
    text, file = (environ.get(variable(secret) + ending, "") for ending in ("", "_FILE"))
    if text and file:
        problems.append(f"{variable(secret)}_FILE and {variable(secret)} are both set")
    try:
        is_base64 = TypeAdapter(bool).validate_python(values.get(form, Settings.model_fields[form].default))
    except ValidationError:
        problems.append(f"{variable(form)} is neither true nor false")
        is_base64 = True
    if problems:
        raise SettingsInvalid(problems)
    return SecretPlace(Path(file) if file else None, text, is_base64=is_base64)


def variable(field: str) -> str:
    return PREFIX + field.upper()


def _collect(environ: Mapping[str, str], wanted: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """The values of the wanted fields as text. Names that are no setting at all are problems always."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    known = {variable(field): field for field in Settings.model_fields}
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        plain = name.removesuffix("_FILE")
        field = known.get(name) or known.get(plain)
        if field is None:
            likely = get_close_matches(plain, known, n=1, cutoff=0.8)
            problems.append(f"{name} is not a setting" + "".join(f"; is it {found}?" for found in likely))
        elif field not in wanted:
            continue
        elif name in known:
            values[field] = environ[name]
        elif plain in environ and environ[plain] != "":
            problems.append(f"{name} and {plain} are both set")
        elif environ[name] != "":
            text = _read_file(environ[name])
            if text is None:
                problems.append(f"{name} names a file that cannot be read")
            else:
                values[field] = text
    # Compose passes unset variables as empty ones; an empty file takes a setting back
    return {field: value for field, value in values.items() if value != ""}, problems


def _read_file(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return None


def _problems_among_the_rest(values: dict[str, Any], error: ValidationError) -> list[str]:
    """What cross-checks find once stand-ins replace the fields that are wrong by themselves."""
    wrong = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
    if not wrong:
        return []
    if "jwt_secret_is_base64" in wrong:
        wrong.add("jwt_secret")
    rest = {field: value for field, value in values.items() if field not in wrong}
    secret = base64.b64encode(token_bytes(MIN_SECRET_BYTES)).decode()
    try:
        Settings.model_validate({"database_url": "postgresql://", "jwt_secret": secret, **rest})
    except ValidationError as among_the_rest:
        return sentences(among_the_rest)
    return []


def sentences(error: ValidationError) -> list[str]:
    """What is wrong, by the names of variables and never by a value."""
    sentences: list[str] = []
    for problem in error.errors(include_input=False, include_url=False):
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            sentences.extend(message.split("\n"))
            continue
        name = variable(str(problem["loc"][0]))
        if problem["type"] == "missing":
            message = "is not set"
        elif problem["type"] != "value_error":
            message = "is wrong: " + message[:1].lower() + message[1:]
        sentences.append(f"{name} {message}")
    return sentences
