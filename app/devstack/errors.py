"""The error of the embedded stack."""


class StackUnavailable(Exception):
    """The embedded stack cannot start. The text has the reason and the fix."""
