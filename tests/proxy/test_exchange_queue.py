"""The queue of waiting exchanges against a plain list, and that a full one refuses without a look at each."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from core.properties import tried
from hypothesis import given
from hypothesis import strategies as st

from app.proxy.upstream import queue as module
from app.proxy.upstream.carried import CarriedExchange
from app.proxy.upstream.queue import ExchangeQueue

if module.__file__.endswith(".so"):
    pytest.skip("the compiled queue takes no stand-in for an exchange", allow_module_level=True)


class Counted(SimpleNamespace):
    """An exchange that counts how often it is asked whether it waits."""

    looks = 0

    @property
    def is_waiting(self) -> bool:
        type(self).looks += 1
        return bool(self.waits)

    @is_waiting.setter
    def is_waiting(self, waits: bool) -> None:
        self.waits = waits


def exchange(kind: Any = CarriedExchange, *, fresh: bool = False) -> Any:
    one = kind()
    one.is_waiting, one.needs_fresh, one.leave_queue = True, fresh, None
    return one


def leave(one: Any) -> None:
    one.is_waiting = False
    leave_queue, one.leave_queue = one.leave_queue, None
    leave_queue()


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
    queue, model = ExchangeQueue(), list[Any]()
    for step, value in steps:
        if step == "append":
            model.append(exchange(fresh=value))
            queue.append(model[-1])
        elif step == "take":
            expected = next((one for one in model if value or not one.needs_fresh), None)
            assert queue.take(is_fresh=value) is expected
            if expected is not None:
                model.remove(expected)
        elif model:
            leave(model.pop(value % len(model)))
        assert len(queue) == len(model)
        assert bool(queue) == bool(model)


def test_counting_and_leaving_cost_no_scan_for_each() -> None:
    queue = ExchangeQueue()
    everybody = [exchange(Counted) for _ in range(10_000)]
    for one in everybody:
        queue.append(one)
    Counted.looks = 0
    for number, one in enumerate(everybody[:9_000], 1):
        assert len(queue) == 10_001 - number
        leave(one)
    assert Counted.looks <= 20_000
    assert queue.take() is everybody[9_000]
