"""Failures that wait to be written: like ones as one note with their number, different ones up to a bound."""

from collections import OrderedDict
from typing import Final, NamedTuple

_MOST: Final = 1_000  # different notes, and as many of a name alone
_MOST_ALIKE: Final = 10_000  # failures of one note; more are lost: the table is not to be filled either
_LONGEST: Final = 1_000  # characters of a text


class Failure(NamedTuple):
    """A failure, as `auth.note_failure()` takes it."""

    kind: str
    username: str = ""
    address: str = ""
    user_agent: str = ""


def failure_of(kind: str, *, username: str, address: str, user_agent: str) -> Failure:
    """A note with texts as Postgres can hold them."""
    return Failure(kind, _text(username), _text(address), _text(user_agent))


class QueuedFailures:
    """Notes, first come, first served. What finds no place is counted with less said about it."""

    def __init__(self, *, most: int = _MOST, most_alike: int = _MOST_ALIKE) -> None:
        self._most = most
        self._most_alike = most_alike
        self._failures: OrderedDict[Failure, int] = OrderedDict()  # each with its number
        self._names = 0  # of them, those that say a name alone
        self.lost = 0  # failures that are in no note

    def __len__(self) -> int:
        """How many different notes wait."""
        return len(self._failures)

    def add(self, failure: Failure, number: int = 1) -> None:
        place = self._slot_of(failure)
        if place not in self._failures and _says_name_alone(place):
            self._names += 1
        queued = self._failures.get(place, 0)
        self._failures[place] = min(queued + number, self._most_alike)
        self.lost += max(0, queued + number - self._most_alike)

    def take(self, most: int) -> tuple[Failure, int]:
        """The note that waits for longest, and up to so many of its failures. Raises KeyError: none waits."""
        failure = next(iter(self._failures), None)
        if failure is None:
            raise KeyError
        number = min(self._failures[failure], most)
        self._failures[failure] -= number
        if self._failures[failure] == 0:
            del self._failures[failure]
            self._names -= _says_name_alone(failure)
        return failure, number

    def lose_all(self) -> None:
        """Count everything that waits as lost."""
        self.lost += sum(self._failures.values())
        self.clear()

    def clear(self) -> None:
        self._failures.clear()
        self._names = 0

    def _slot_of(self, failure: Failure) -> Failure:
        """The note to count with: all that is known, else the name, else the kind of failure."""
        if failure in self._failures or len(self._failures) - self._names < self._most:
            return failure
        name = Failure(failure.kind, failure.username)
        return name if name in self._failures or self._names < self._most else Failure(failure.kind)


def _says_name_alone(failure: Failure) -> bool:
    return bool(failure.username) and not failure.address and not failure.user_agent


def _text(value: str) -> str:
    return value[:_LONGEST].replace("\0", "").encode(errors="replace").decode()
