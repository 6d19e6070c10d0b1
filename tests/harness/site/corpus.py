"""Requests from `.http` files: a title after `###`, the request line, fields, a blank line, a body."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.site.client import Field

TITLE = "### "
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class CorpusRequest:
    title: str
    method: str
    target: str
    fields: tuple[Field, ...]
    body: bytes | None

    @property
    def writes(self) -> bool:
        return self.method in UNSAFE


def read_corpus(folder: Path) -> list[CorpusRequest]:
    """Every request of the folder's files, titles unique."""
    requests = [found for file in sorted(folder.glob("*.http")) for found in _read(file)]
    titles = [request.title for request in requests]
    assert len(set(titles)) == len(titles), sorted(title for title in titles if titles.count(title) > 1)
    return requests


def _read(file: Path) -> Iterator[CorpusRequest]:
    for block in file.read_text(encoding="utf-8").split(f"\n{TITLE}")[1:]:
        title, _, rest = block.partition("\n")
        head, _, body = rest.partition("\n\n")
        start, *lines = head.strip("\n").split("\n")
        method, _, target = start.partition(" ")
        fields = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
        sent = body.strip("\n")
        yield CorpusRequest(f"{file.stem}: {title}", method, target, fields, sent.encode() if sent else None)
