"""Placeholders of the case data: `{{NAME}}`, `@NOW+600@` and `<70000 x 'a'>`."""

import re
import time
from collections.abc import Mapping

_REPEAT = re.compile(r"<(\d+) x '([^']*)'>")
_NOW = re.compile(r"@NOW([+-]\d+)@")


def fill(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def repeat(text: str) -> str:
    """Write out repetitions; `{n}` is the number of each."""
    return _REPEAT.sub(
        lambda match: "".join(match[2].replace("{n}", str(number)) for number in range(int(match[1]))), text
    )


def at_now(text: str) -> str:
    """Write out times, as seconds since the epoch."""
    return _NOW.sub(lambda match: str(int(time.time()) + int(match[1])), text)
