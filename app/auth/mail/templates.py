"""The templates: Jinja2, for each language and purpose a text and an HTML file, overridable one by one.

The first line of a text file is the subject. A variable that does not exist is an error, which `check_all`
finds before the first mail.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import jinja2

from app.auth.mail.contents import PURPOSES, SAMPLE, sample, variables_of
from app.auth.mail.messages import Content

DEFAULT_LANGUAGE: Final = "en"
TEMPLATE_ERRORS: Final = (jinja2.TemplateError, ValueError, TypeError)
_SHIPPED: Final = Path(__file__).with_name("templates")
_SUBJECT: Final = "Subject: "
_LONGEST_SUBJECT: Final = 150


class TemplatesInvalid(Exception):
    """Templates cannot be used; `problems` has a sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Templates:
    """The shipped templates, and those of a folder, which come first."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folders = [*([folder] if folder is not None else []), _SHIPPED]
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self._folders),
            autoescape=jinja2.select_autoescape(("html",)),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self.languages = tuple(sorted(set(self._languages())))

    def render(self, purpose: str, variables: Mapping[str, object], language: str | None = None) -> Content:
        """The mail of a purpose. A language without templates is replaced by English.

        `language` is a tag such as `de-AT`; its first part counts. Raises
        TEMPLATE_ERRORS.
        """
        chosen = self._choose(language)
        context = {**variables, "language": chosen}
        text = self._load(chosen, purpose, "txt").render(context)
        first, _, body = text.partition("\n")
        subject = first.removeprefix(_SUBJECT).strip()
        if not first.startswith(_SUBJECT) or not subject:
            raise ValueError(f"its first line does not begin with `{_SUBJECT.strip()}`")
        return Content(
            language=chosen,
            subject=subject[:_LONGEST_SUBJECT],
            text=body.strip("\n") + "\n",
            html=self._load(chosen, purpose, "html").render({**context, "subject": subject}),
        )

    def check_all(self) -> None:
        """Render each template, with all values and without any. Raises TemplatesInvalid."""
        problems: dict[str, None] = {}
        for language in self.languages:
            for purpose in PURPOSES:
                for data in (SAMPLE, {}):
                    variables = variables_of(sample(purpose, data), key=b"", public_url="https://app.example")
                    try:
                        self.render(purpose, variables, language)
                    except TEMPLATE_ERRORS as error:
                        problems[f"{language}/{purpose}: {_sentence(error)}"] = None
        if problems:
            raise TemplatesInvalid(list(problems))

    def _languages(self) -> Iterator[str]:
        for folder in self._folders:
            yield from (path.name for path in folder.iterdir() if path.is_dir() and path.name.isalpha())

    def _choose(self, language: str | None) -> str:
        tag = (language or "").replace("_", "-").partition("-")[0].lower()
        return tag if tag in self.languages else DEFAULT_LANGUAGE

    def _load(self, language: str, purpose: str, ending: str) -> jinja2.Template:
        """A template of the language, or the English one where a folder has only some of a language."""
        return self._environment.select_template(
            [f"{language}/{purpose}.{ending}", f"{DEFAULT_LANGUAGE}/{purpose}.{ending}"]
        )


def _sentence(error: Exception) -> str:
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f"line {error.lineno}: {error.message}"
    return str(error)
