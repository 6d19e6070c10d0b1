"""What folders of tests share: both ends of the wire, whole sites, proxies in front, browsers, intruders."""

import pytest

# A failed check shows what it compared
pytest.register_assert_rewrite(
    "harness.browser", "harness.front", "harness.relay", "harness.shadows", "harness.site"
)
