"""The only reader of the environment: POSTGATE_* variables, each also as POSTGATE_*_FILE.

All problems are reported together. Each names its variable, and never contains its value.
"""

import base64
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from secrets import token_bytes
from typing import Any, get_args

from pydantic import SecretStr, TypeAdapter, ValidationError

from app.settings.fields import PREFIX, Settings
from app.settings.injected import injected
from app.settings.kinds import Identifier, check_database_url
from app.settings.strength import MIN_SECRET_BYTES
from app.settings.texts import MOST_BYTES, clean, decode

_NOT_SET = " is not set"
_NO_NAME = re.compile(r"[^A-Za-z0-9_]").sub
_DIGITS = re.compile(r"-?\d{1,18}", re.ASCII).fullmatch
_DECIMAL = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?", re.ASCII).fullmatch


class SettingsInvalid(Exception):
    """The settings are invalid; `problems` has a sentence for each variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """The place of the JWT secret: a file, or the environment."""

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
        reported = {name for problem in problems for name in _variables(problem)}
        found = [each for each in found if each.removesuffix(_NOT_SET) not in reported]
        raise SettingsInvalid(problems + found) from None
    if problems:
        raise SettingsInvalid(problems)
    return settings


def load_owner_url(environ: Mapping[str, str] = os.environ) -> str:  # noqa: TID251
    """Read only the owner's connection, for a container that only migrates.

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


def load_anon_role(environ: Mapping[str, str] = os.environ) -> str:  # noqa: TID251
    """Read only the name of the anonymous role, for a verb that migrates. Raises SettingsInvalid."""
    field = "anon_role"
    values, problems = _collect(environ, (field,))
    role: str = values.get(field, Settings.model_fields[field].default)
    try:
        TypeAdapter(Identifier).validate_python(role)
    except ValidationError:
        problems.append(f"{variable(field)} is not a plain SQL name")
    if problems:
        raise SettingsInvalid(problems)
    return role


def load_secret_place(environ: Mapping[str, str] = os.environ) -> SecretPlace:  # noqa: TID251
    """Find the place of the JWT secret, for a verb that changes it. Raises SettingsInvalid."""
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


def _variables(problem: str) -> tuple[str, str]:
    """The variable of a problem, with and without _FILE."""
    name = problem.partition(" ")[0]
    return name, name.removesuffix("_FILE")


def variable(field: str) -> str:
    return PREFIX + field.upper()


def ignored_variables(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:  # noqa: TID251
    """The names of variables that look like settings but come from a platform: see injected.py."""
    return tuple(sorted(injected(environ)))


def _collect(environ: Mapping[str, str], wanted: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """The values of the wanted fields as text, and the problems. An unknown name is always a problem."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    known = {variable(field): field for field in Settings.model_fields}
    foreign = injected(environ)
    for name in sorted(environ.keys() - foreign):
        if not name.startswith(PREFIX):
            problems += _misspelt(name)
            continue
        plain = name.removesuffix("_FILE")
        field = known.get(name) or known.get(plain)
        if field is None:
            problems += _misspelt(name) or [_unknown(name, plain, known)]
        elif field in wanted:
            is_file = name not in known
            if is_file and plain not in foreign and environ.get(plain, "") != "" and environ[name] != "":
                problems.append(f"{name} and {plain} are both set")
                continue
            try:
                values[field] = _value(environ[name], name, field, values, is_file=is_file)
            except ValueError as error:
                problems.append(f"{name} {error}")
    # Compose passes unset variables as empty ones; an empty file unsets a setting
    return {field: value for field, value in values.items() if value != ""}, problems


def _value(text: str, name: str, field: str, values: Mapping[str, Any], *, is_file: bool) -> str:
    """The value of a variable or of its file. Raises ValueError, a predicate for its name."""
    if is_file:
        path = clean(text, name)
        if path == "":
            return str(values.get(field, ""))  # the variable without _FILE comes first
        text = _read_file(path)
    is_verbatim = field == "jwt_secret"
    return _number(field, clean(text, variable(field), is_verbatim=is_verbatim))


def _number(field: str, text: str) -> str:
    """Digits only: Python would also accept 1_000 and 1e3, and 8000.0 as a port."""
    kind = Settings.model_fields[field].annotation
    if text and _is_whole(kind) and _DIGITS(text) is None:
        raise ValueError("is not a whole number in digits")
    if text and kind is float and _DECIMAL(text) is None:
        raise ValueError("is not a number such as 10 or 0.5")
    return text


def _is_whole(kind: object) -> bool:
    return kind is int or any(getattr(each, "__origin__", each) is int for each in get_args(kind))


def _unknown(name: str, plain: str, known: Collection[str]) -> str:
    likely = get_close_matches(plain, known, n=1, cutoff=0.8)
    return f"{name} is not a setting" + "".join(f"; is it {found}?" for found in likely)


def _misspelt(name: str) -> list[str]:
    """A problem for a name with invalid characters, as a file for `docker --env-file` may have."""
    plain_name = _NO_NAME("", name.removeprefix("export"))
    if plain_name == name or not plain_name.startswith(PREFIX):
        return []
    if name.removeprefix("export ") == plain_name:
        return [f"{plain_name} has `export` in its name, which is for shells: write {plain_name}=..."]
    return [f"{plain_name} has an invalid character in its name, which may be invisible"]


def _read_file(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"names a file that cannot be read: {os.strerror(error.errno or 0)}") from None
    except ValueError:  # the path contains NUL
        raise ValueError("names a file that cannot be read") from None
    if len(raw) > MOST_BYTES:
        raise ValueError("names a file that is too large to be a setting")
    try:
        return decode(raw).rstrip("\r\n")
    except ValueError as error:
        raise ValueError(f"names a file that {error}") from None


def _problems_among_the_rest(values: dict[str, Any], error: ValidationError) -> list[str]:
    """The problems between fields, found with valid values in place of the invalid fields."""
    wrong = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
    if not wrong:
        return []
    if "jwt_secret_is_base64" in wrong:
        wrong.add("jwt_secret")
    if wrong & {"mail_from", "public_url"}:
        wrong.add("smtp_url")  # it needs both
    rest = {field: value for field, value in values.items() if field not in wrong}
    secret = base64.b64encode(token_bytes(MIN_SECRET_BYTES)).decode()
    try:
        Settings.model_validate({"database_url": "postgresql://", "jwt_secret": secret, **rest})
    except ValidationError as among_the_rest:
        return sentences(among_the_rest)
    return []


def sentences(error: ValidationError) -> list[str]:
    """The errors as sentences that name variables and contain no value."""
    sentences: list[str] = []
    for problem in error.errors(include_input=False, include_url=False):
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            sentences.extend(message.split("\n"))
            continue
        name = variable(str(problem["loc"][0]))
        if problem["type"] == "missing":
            message = _NOT_SET.strip()
        elif problem["type"] != "value_error":
            message = "is wrong: " + message[:1].lower() + message[1:]
        sentences.append(f"{name} {message}")
    return sentences
