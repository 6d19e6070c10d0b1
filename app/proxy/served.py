"""The interface of a client connection for its process: deadlines, bounds, drain."""

from abc import abstractmethod


class ServedConnection:
    """A client connection, as the gateway and its bounds see it."""

    @abstractmethod
    def adopt_rules(self) -> None:
        """Take the rules and bounds that the gateway has now, for the requests to come."""

    @abstractmethod
    def check_deadline(self, now: float) -> None:
        """End what has taken too long. Called each tick; `now` in seconds of the coarse clock."""

    @abstractmethod
    def held_bytes(self) -> int:
        """How many bytes are held for a client without a session: what is not complete or not read."""

    @abstractmethod
    def give_way(self) -> None:
        """End at once: other clients need what this connection holds."""

    @abstractmethod
    def cut(self, reason: str) -> None:
        """Break off the current response: the process ends now. `reason` is for the log."""
