"""The upstream behind the processes of these tests."""

from proxy.conftest import upstream

__all__ = ["upstream"]
