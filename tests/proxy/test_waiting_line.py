"""The line of waiting exchanges against a plain list, and that a full one refuses without a look at each."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from core.properties import tried
from hypothesis import given
from hypothesis import strategies as st

from app.proxy import waiting
from app.proxy.exchange import Exchange
from app.proxy.waiting import WaitingLine

if waiting.__file__.endswith(".so"):
    pytest.skip("the compiled line takes no stand-in for an exchange", allow_module_level=True)


class Counted(SimpleNamespace):
    """An exchange that counts how often it is asked whether it waits."""

    looks = 0

    @property
    def is_waiting(self) -> bool:
        type(self).looks += 1
        return bool(self.waits)


def exchange(*, fresh: bool = False) -> Any:
    return Counted(waits=True, needs_fresh=fresh, line=None)


def leave(one: Any) -> None:
    one.waits = False
    line, one.line = one.line, None
    line.leave()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.booleans()),
        st.tuples(st.just("take"), st.booleans()),
        st.tuples(st.just("leave"), st.integers(0, 60)),
    ),
    max_size=200,
)


@tried
@given(STEPS)
def test_it_is_first_in_first_out_whoever_leaves(steps: Iterable[tuple[str, Any]]) -> None:
    line, model = WaitingLine(), list[Any]()
    for step, value in steps:
        if step == "append":
            model.append(exchange(fresh=value))
            line.append(model[-1])
        elif step == "take":
            expected = next((one for one in model if value or not one.needs_fresh), None)
            assert line.take(is_fresh=value) is expected
            if expected is not None:
                model.remove(expected)
        elif model:
            leave(model.pop(value % len(model)))
        assert len(line) == len(model)
        assert bool(line) == bool(model)


def test_counting_and_leaving_cost_no_scan_for_each() -> None:
    line = WaitingLine()
    everybody = [exchange() for _ in range(10_000)]
    for one in everybody:
        line.append(cast("Exchange", one))
    Counted.looks = 0
    for number, one in enumerate(everybody[:9_000], 1):
        assert len(line) == 10_001 - number
        leave(one)
    assert Counted.looks <= 20_000
    assert line.take() is everybody[9_000]
