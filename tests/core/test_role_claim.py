"""Where a token's role is: PostgREST's jwt-role-claim-key, its spellings, and what each finds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.tokens.role_claim import MISSING, read_role_claim

CLAIMS: dict[str, Any] = {
    "role": "web",
    "https://app.example/role": "by-url",
    "my role": "spaced",
    "realm_access": {"roles": ["offline_access", "app_editor", "app_admin", 7, None]},
    "nested": [{"role": "deep"}, [["deeper"]]],
    "$x@y": "odd",
    "a.b": "dotted",
    "rôle": "accented",
    "empty": "",
    "null": None,
    "number": 5,
    "false": False,
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("role", "web"),
        ("https://app.example/role", "by-url"),  # a plain name may be anything
        ("a.b", "dotted"),
        (".role", "web"),
        ('."https://app.example/role"', "by-url"),
        ('."my role"', "spaced"),
        (".realm_access.roles[0]", "offline_access"),
        (".realm_access.roles[1]", "app_editor"),
        (".realm_access.roles[9]", MISSING),
        (".realm_access.roles[3]", 7),
        (".realm_access.roles[4]", None),
        (".realm_access[0]", MISSING),
        (".nested[0].role", "deep"),
        (".nested[1][0][0]", "deeper"),
        (".$x@y", "odd"),
        (".rôle", "accented"),
        (".missing.roles[0]", MISSING),
        (".role.more", MISSING),
        (".empty", ""),
        (".null", None),
        (".number", 5),
        (".false", False),
        ('.realm_access.roles[?(@ == "app_admin")]', "app_admin"),
        ('.realm_access.roles[?(@ == "nobody")]', MISSING),
        ('.realm_access.roles[?(@ != "offline_access")]', "app_editor"),
        ('.realm_access.roles[?(@ ^== "app_")]', "app_editor"),
        ('.realm_access.roles[?(@ ==^ "_admin")]', "app_admin"),
        ('.realm_access.roles[?(@ *== "_adm")]', "app_admin"),
        ('.realm_access.roles[?(@=="app_admin")]', "app_admin"),
        ('.role[?(@ == "web")]', MISSING),
        ("$.realm_access.roles[0]", "offline_access"),
        ("$['realm_access']['roles'][1]", "app_editor"),
        ('$["my role"]', "spaced"),
    ],
)
def test_a_path_finds_what_postgrest_finds(path: str, found: object) -> None:
    assert read_role_claim(path).find(CLAIMS) == found


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "is empty"),
        (".", "cannot be read from character 1 on"),
        ("$", "names no claim"),
        ("$[0].role", "names no claim"),
        ("[0]", None),  # a plain name
        (".role.", "character 6"),
        (".role..x", "character 6"),
        (".role[-1]", "character 6"),
        (".role[x]", "character 6"),
        (".role[1", "character 6"),
        ('."role', "character 1"),
        (".my role", "character 4"),
        ('.roles[?(@ ~ "x")]', "character 7"),
        ('.roles[?(@ == "x")].more', "filter before the last step"),
        ("$..role", "character 2"),
        ("$.*", "character 2"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(path: str, words: str | None) -> None:
    if words is None:
        assert read_role_claim(path).steps == (path,)
        return
    with pytest.raises(ValueError, match=words):
        read_role_claim(path)


@pytest.mark.parametrize(
    "path",
    ["role", ".realm_access.roles[2]", '.roles[?(@ ^== "app_")]', "$['a']['b'][0].c", '."https://x/y"'],
)
def test_a_role_that_is_placed_is_found(path: str) -> None:
    claim = read_role_claim(path)
    assert claim.find(claim.place("app_editor")) == "app_editor"


def test_a_role_that_a_filter_does_not_match_cannot_be_placed() -> None:
    with pytest.raises(ValueError, match="does not match"):
        read_role_claim('.roles[?(@ == "app_admin")]').place("app_editor")


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        claim = read_role_claim(text)
    except ValueError:
        return
    claim.find(CLAIMS)


@pytest.mark.parametrize(
    "path", ['.realm_access.roles[?(@ ^== "app_")]', '."my role"', ".a[0].b", "role", "$['my role'][0]"]
)
def test_a_path_is_described_in_the_spelling_of_postgrest(path: str) -> None:
    claim = read_role_claim(path)
    assert read_role_claim(claim.describe()).steps == claim.steps
