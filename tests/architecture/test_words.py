"""README, CONTRIBUTING, SECURITY, docs/ and the texts of the code: words that plain English avoids."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(REPOSITORY.glob("docs/*.md")),
]
NOT_YET = {"asvs.md"}
APP = REPOSITORY / "app"
SOURCES = [
    *sorted(APP.rglob("*.py")),
    *sorted(APP.glob("sql/*/*.sql")),
    *sorted(REPOSITORY.glob("bench/*.py")),
    REPOSITORY / "docker" / "healthcheck.py",
    REPOSITORY / "hatch_build.py",
]
FENCE = re.compile(r"^( *)(`{3,})[^`\n]*\n.*?^\1\2`*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
TARGET = re.compile(r"\]\([^)]*\)")
# These cells repeat a text of the code, and other tests hold them to it
REPEATED = re.compile(r"^\| `GW\d+` \|[^|]*\|[^|]*\||^\| `\w+` \| \d+ \w+ \| \d+ to \d+ \|.*$", re.MULTILINE)

# Word by word; `~` stands for any ending
AVOIDED = [
    # People and things without a name
    "nobody~", "somebody~", "everybody~", "anybody~", "someone~", "whoever", "whatever else", "visitor~",
    "stranger~", "of its own", "of their own", "their like", "and the like",
    # Idioms
    "as far as", "stands? at", "told", "tells? of", "lend~", "gives? back", "bury", "buries", "buried",
    "hammer~", "comes? along", "comes? late", "goes on", "go on", "holds? up", "in the clear",
    "get rid of", "got rid of", "anew", "gives? way", "from nought", "under way", "turns? away", "mend~",
    "without a word", "keeps? away from", "(?:is|are|was) away", "as it stands", "as they stand",
    "as it came", "has to be told", "dearer?", "dearest", "spent", "(?:good|dead) (?:access )?tokens?",
    # Other words for a thing that has one
    "answer~", "(?:of|many|more|fewer|counts?|counted) tries", "deny set", "remember~", "in line",
    "hands? on", "hands? out", "hands? over", "handed", "(?:is|are|was|were|be) refused", "refusals?",
    "first come~", "neighbour~", "one's own", "of ours", "in one go", "for ever", "its like",
    "found out", "finds? out", "comes? to nothing", "the news", "goes round", "a moment", "at once with",
]  # fmt: skip
PERMITTED = re.compile(r"connections? (?:is|are) refused|\b[a-z]+-visitor\b")  # as TCP has it; header fields
PATTERN = re.compile(
    r"\b(?:" + "|".join(phrase.replace(" ", r"\s+").replace("~", r"[\w']*") for phrase in AVOIDED) + r")\b",
    re.IGNORECASE,
)
# A clause as a subject: `Who hammers ...`, `What is not there ...`; a question in a table is none
CLAUSE = re.compile(r"(?:^|[.:;] |^- |\| )(?:Who|What|Whoever|Whatever) [^?|\n]*?[.;|](?=\s|$)", re.MULTILINE)


def prose(text: str) -> str:
    for part in (REPEATED, FENCE, CODE, TARGET, PERMITTED):
        text = part.sub(" ", text)
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def found(text: str) -> list[str]:
    return [match.group() for pattern in (PATTERN, CLAUSE) for match in pattern.finditer(prose(text))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_a_page_uses_the_standard_terms(page: Path) -> None:
    if page.name in NOT_YET:
        pytest.skip("not rewritten yet")
    assert found(page.read_text(encoding="utf-8")) == []


def texts(path: Path) -> Iterator[str]:
    """The comments, docstrings and messages of a source file."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        yield from (line.partition("-- ")[2] for line in source.splitlines())
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value  # a single word is a name, such as the account `nobody`
    comment = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:  # lines of one comment are one text
            comment += token.string.lstrip("#")
        elif token.type not in {tokenize.NL, tokenize.INDENT, tokenize.DEDENT}:
            yield comment
            comment = ""


def short(path: Path) -> str:
    return str(path.relative_to(APP if path.is_relative_to(APP) else REPOSITORY))


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_the_texts_of_a_source_file_use_the_standard_terms(path: Path) -> None:
    assert [word for text in texts(path) for word in found(text)] == []
