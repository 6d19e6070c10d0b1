"""The queue of failures to write to the audit table: equal ones as one entry with their number; bounded."""

from collections import OrderedDict
from typing import Final, NamedTuple

_MOST: Final = 1_000  # entries, and as many with only a name
_MOST_ALIKE: Final = 10_000  # failures in one entry; more are lost, so that a flood does not fill the table
_LONGEST: Final = 1_000  # characters of a text


class Failure(NamedTuple):
    """The arguments of `auth.note_failure()`."""

    kind: str
    username: str = ""
    address: str = ""
    user_agent: str = ""


def failure_of(kind: str, *, username: str, address: str, user_agent: str) -> Failure:
    """A failure whose texts Postgres can hold: shortened, without NUL and unpaired surrogates."""
    return Failure(kind, _text(username), _text(address), _text(user_agent))


class QueuedFailures:
    """A bounded queue, first in, first out. When it is full, failures are counted with less detail."""

    def __init__(self, *, most: int = _MOST, most_alike: int = _MOST_ALIKE) -> None:
        self._most = most
        self._most_alike = most_alike
        self._failures: OrderedDict[Failure, int] = OrderedDict()  # each with its number
        self._names = 0  # entries with only a name
        self.lost = 0  # failures that are in no entry

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._failures)

    def add(self, failure: Failure, number: int = 1) -> None:
        """Queue so many equal failures."""
        slot = self._slot_of(failure)
        if slot not in self._failures and _has_name_only(slot):
            self._names += 1
        queued = self._failures.get(slot, 0)
        self._failures[slot] = min(queued + number, self._most_alike)
        self.lost += max(0, queued + number - self._most_alike)

    def take(self, most: int) -> tuple[Failure, int]:
        """Remove up to so many failures of the oldest entry. Raises KeyError if the queue is empty."""
        failure = next(iter(self._failures), None)
        if failure is None:
            raise KeyError
        number = min(self._failures[failure], most)
        self._failures[failure] -= number
        if self._failures[failure] == 0:
            del self._failures[failure]
            self._names -= _has_name_only(failure)
        return failure, number

    def lose_all(self) -> None:
        """Clear the queue, and count its failures as lost."""
        self.lost += sum(self._failures.values())
        self.clear()

    def clear(self) -> None:
        """Clear the queue."""
        self._failures.clear()
        self._names = 0

    def _slot_of(self, failure: Failure) -> Failure:
        """The entry for a failure: with all details, else with the name, else with the kind only."""
        if failure in self._failures or len(self._failures) - self._names < self._most:
            return failure
        name = Failure(failure.kind, failure.username)
        return name if name in self._failures or self._names < self._most else Failure(failure.kind)


def _has_name_only(failure: Failure) -> bool:
    return bool(failure.username) and not failure.address and not failure.user_agent


def _text(value: str) -> str:
    return value[:_LONGEST].replace("\0", "").encode(errors="replace").decode()
