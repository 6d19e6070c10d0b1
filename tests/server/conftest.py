"""The upstream behind the processes of these tests."""

from harness.relay.fixtures import upstream

__all__ = ["upstream"]
