import pytest

pytest.register_assert_rewrite("proxy.harness")  # a failed check shows what it compared
