"""README, CONTRIBUTING and docs/ keep to plain technical English: words and phrases that they do not use."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(REPOSITORY.glob("docs/*.md"))]
NOT_YET = {"architecture.md", "asvs.md"}

FENCE = re.compile(r"^( *)(`{3,})[^`\n]*\n.*?^\1\2`*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
TARGET = re.compile(r"\]\([^)]*\)")
# These cells repeat a text of the code, and other tests hold them to it
REPEATED = re.compile(
    r"^\| `PD\d+` .*$|^\| `GW\d+` \|[^|]*\|[^|]*\||^\| `\w+` \| \d+ \w+ \| \d+ to \d+ \|.*$", re.MULTILINE
)

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
]  # fmt: skip
PERMITTED = re.compile(r"connections? (?:is|are) refused")  # as TCP has it
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
