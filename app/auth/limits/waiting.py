"""Failures that wait to be written: like ones as one note with their number, different ones up to a bound."""

from collections import OrderedDict
from typing import Final, NamedTuple

_MOST: Final = 1_000  # different notes, and as many of a name alone
_MOST_ALIKE: Final = 10_000  # failures of one note; more are lost: the table is not to be filled either
_LONGEST: Final = 1_000  # characters of a text


class Note(NamedTuple):
    """A failure, as `auth.note_failure()` takes it."""

    kind: str
    username: str = ""
    address: str = ""
    user_agent: str = ""


def note_of(kind: str, *, username: str, address: str, user_agent: str) -> Note:
    """A note with texts as Postgres can hold them."""
    return Note(kind, _text(username), _text(address), _text(user_agent))


class WaitingNotes:
    """Notes, first come, first served. What finds no place is counted with less said about it."""

    def __init__(self, *, most: int = _MOST, most_alike: int = _MOST_ALIKE) -> None:
        self._most = most
        self._most_alike = most_alike
        self._notes: OrderedDict[Note, int] = OrderedDict()  # each with its number
        self._names = 0  # of them, those that say a name alone
        self.lost = 0  # failures that are in no note

    def __len__(self) -> int:
        """How many different notes wait."""
        return len(self._notes)

    def add(self, note: Note, number: int = 1) -> None:
        place = self._place(note)
        if place not in self._notes and _says_name_alone(place):
            self._names += 1
        waiting = self._notes.get(place, 0)
        self._notes[place] = min(waiting + number, self._most_alike)
        self.lost += max(0, waiting + number - self._most_alike)

    def take(self, most: int) -> tuple[Note, int]:
        """The note that waits for longest, and up to so many of its failures. Raises KeyError: none waits."""
        note = next(iter(self._notes), None)
        if note is None:
            raise KeyError
        number = min(self._notes[note], most)
        self._notes[note] -= number
        if self._notes[note] == 0:
            del self._notes[note]
            self._names -= _says_name_alone(note)
        return note, number

    def lose_all(self) -> None:
        """Count everything that waits as lost."""
        self.lost += sum(self._notes.values())
        self.clear()

    def clear(self) -> None:
        self._notes.clear()
        self._names = 0

    def _place(self, note: Note) -> Note:
        """The note to count with: all that is known, else the name, else the kind of failure."""
        if note in self._notes or len(self._notes) - self._names < self._most:
            return note
        name = Note(note.kind, note.username)
        return name if name in self._notes or self._names < self._most else Note(note.kind)


def _says_name_alone(note: Note) -> bool:
    return bool(note.username) and not note.address and not note.user_agent


def _text(value: str) -> str:
    return value[:_LONGEST].replace("\0", "").encode(errors="replace").decode()
