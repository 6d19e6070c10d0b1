"""The text of a setting, without additions of editors and shells.

Byte order marks, line ends and blanks at the ends are removed. Ambiguous characters are rejected; the error
names the character and never contains the value.
"""

import codecs
import unicodedata
from typing import Final

MOST_BYTES: Final = 1_048_576  # of a file: no setting is as long, and /dev/zero has no end
_MARKS: Final = (  # longer ones first: the UTF-32 mark begins with the UTF-16 mark
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ALLOWED: Final = "\n\r\t"  # in the middle, for example between the lines of a JWK set
_BLANKS: Final = " \t\r\n"
_QUOTES: Final = "\"'`"
_TYPOGRAPHIC: Final = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"
# Format, control, line, paragraph and space separators; halves of characters; unassigned
_INVISIBLE: Final = frozenset({"Cf", "Cc", "Zl", "Zp", "Zs", "Cs", "Cn", "Co"})


def decode(raw: bytes) -> str:
    """The text of a file: UTF-8, or the encoding of its byte order mark. Raises ValueError."""
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    if "\0" in text:
        raise ValueError("has NUL characters: if it is UTF-16, save it as UTF-8")
    return text


def clean(text: str, variable: str, *, is_verbatim: bool = False) -> str:
    """The cleaned text of a variable. Raises ValueError, a predicate for its name.

    `is_verbatim`: keeps blanks at the ends, which may be significant.
    """
    if any("\udc80" <= character <= "\udcff" for character in text):
        raise ValueError("is not UTF-8")
    text = text.removeprefix("\ufeff")
    inner = text.strip(_BLANKS)
    if inner.startswith((f"{variable}=", f"export {variable}=")):
        raise ValueError("contains its own name: write only the value")
    _reject_quotes(inner)
    for character in inner:
        is_plain_blank = character == " " or character in _ALLOWED
        if unicodedata.category(character) in _INVISIBLE and not is_plain_blank:
            raise ValueError(f"has an invisible character: {_name(character)}")
    return text if is_verbatim else inner


def _reject_quotes(text: str) -> None:
    """Reject quotation marks: a shell removes them, `docker --env-file` and others do not."""
    ends = text[:1], text[-1:]
    for mark in ends:
        if mark and mark in _TYPOGRAPHIC:
            raise ValueError(f"begins or ends with a quotation mark: {_name(mark)}")
    if len(text) > 1 and ends[0] == ends[1] and ends[0] in _QUOTES:
        raise ValueError(f"is between quotation marks, which are not removed here: {_name(ends[0])}")


def _name(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"{name} (U+{ord(character):04X})" if name else f"U+{ord(character):04X}"
