"""Members of a JSON text are edited in place: what stays keeps its bytes, and what goes leaves no trace."""

import json

import pytest

from app.auth.json_members import Path, edited, is_hollow, read_path

PATHS = [read_path("token"), read_path("data.token")]


def without(_: Path, value: str) -> str | None:
    return None if json.loads(value) == "t" else value


def replaced(_: Path, value: str) -> str | None:
    return '"new"' if json.loads(value) == "t" else value


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ('{"token":"t"}', "{}"),
        ('{"token" : "t" , "n" : 1.10}', '{"n" : 1.10}'),
        ('{"n":1e400,"token":"t","m":"\\u00e9}"}', '{"n":1e400,"m":"\\u00e9}"}'),
        ('{"token":"t","token":"t","a":[{"token":"t"}]}', '{"a":[{"token":"t"}]}'),
        ('{"data":{"token":"t"},"x":{"token":"t"}}', '{"data":{},"x":{"token":"t"}}'),
        ('[{"token":"t"},{"token":"t","id":2}]', '[{},{"id":2}]'),
        ('["t","t","u"]', '["u"]'),
        ('{"tok\\u0065n":"t"}', "{}"),
        ('{"token":"other", "id":1}', '{"token":"other", "id":1}'),
        ("[]", "[]"),
        ("[ ]", "[ ]"),
        ("{ }", "{ }"),
        ("7", "7"),
        ("null", "null"),
        ('"u"', '"u"'),
        ('[["t"]]', '[["t"]]'),
    ],
)
def test_members_are_removed_and_the_rest_stays(text: str, rest: str) -> None:
    assert edited(text, PATHS, without) == rest
    json.loads(rest)


def test_of_a_token_alone_nothing_is_left() -> None:
    assert edited(' "t"', PATHS, without) is None


@pytest.mark.parametrize("text", ['{ "token" : "t" , "n":1.10 }', '[ {"data":{"token":"t"}} ]', ' "t"\n'])
def test_a_value_is_replaced_in_its_place(text: str) -> None:
    new = edited(text, PATHS, replaced)
    assert new is not None
    assert new.strip() == text.replace('"t"', '"new"').strip()


@pytest.mark.parametrize(
    ("text", "hollow"), [("{}", True), ('{"data":{}}', False), ("[{}, {}]", True), ("[]", True), ("0", False)]
)
def test_a_text_without_values_is_hollow(text: str, *, hollow: bool) -> None:
    assert is_hollow(text) is hollow
