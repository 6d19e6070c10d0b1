"""The composition root hands each setting on."""

from dataclasses import fields
from typing import Any

import pytest
from harness.relay.gateway import settings_for

from app.proxy.limits import Limits
from app.wiring.pools import limits

CHANGED: dict[str, Any] = {field.name: max(1, getattr(Limits(), field.name) // 8) for field in fields(Limits)}


@pytest.mark.parametrize("name", CHANGED)
def test_each_limit_is_what_its_setting_says(name: str) -> None:
    """A limit without a setting of its name would keep its default for ever, and say nothing."""
    assert getattr(limits(settings_for("http://127.0.0.1:1", **{name: CHANGED[name]})), name) == CHANGED[name]
