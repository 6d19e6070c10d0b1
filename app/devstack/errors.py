"""The one way in which the embedded stack says that it cannot start: a sentence for people."""


class StackUnavailable(Exception):
    """The embedded stack cannot start; the text says why and what helps."""
