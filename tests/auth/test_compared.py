"""The same calls to a real PostgREST and through the gateway: the same answers, byte for byte."""

import pytest

from app.devstack import DevStack

from .agreed import ALL
from .calling import Request, comparable, to_postgrest
from .conftest import Call

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("request_", ALL.values(), ids=ALL.keys())
async def test_the_gateway_answers_as_postgrest_does(
    call: Call, recipes: DevStack, request_: Request
) -> None:
    expected = to_postgrest(recipes.postgrest_url, request_)

    assert comparable(await call(request_)) == comparable(expected)
