"""The examples of docs/issuers.md, with claims of the shape that each issuer sends."""

import json
import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.devstack import Database
from app.settings.issuers import read_issuers

PAGE = (Path(__file__).parents[2] / "docs/issuers.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\w+):.*?\n(.*?)(?=^### |\Z)", PAGE, re.MULTILINE | re.DOTALL))

KEYCLOAK = {
    "iss": "https://id.example.com/realms/app", "sub": "0b1c", "typ": "Bearer", "azp": "web", "aud": "api",
    "email": "ann@x.test", "resource_access": {"account": {"roles": ["editor"]}},
}  # fmt: skip
ENTRA = {"aud": "CLIENT_ID", "sub": "pairwise", "oid": "o-1", "tid": "t-1", "ver": "2.0", "azp": "x"}
AUTH0 = {"sub": "auth0|1", "aud": ["https://api.example.com", "https://x/userinfo"], "scope": "openid"}
GITHUB = {
    "sub": "repo:shop/api:environment:production", "aud": "api", "ref": "refs/heads/main", "run_id": "9",
    "repository": "shop/api", "repository_id": "74", "environment": "production", "actor": "ann",
}  # fmt: skip
KUBERNETES = {
    "aud": ["api"], "sub": "system:serviceaccount:shop:importer",
    "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "importer", "uid": "u-1"}},
}  # fmt: skip


def realm(*roles: str) -> dict[str, Any]:
    return {**KEYCLOAK, "realm_access": {"roles": ["offline_access", *roles]}}


CASES: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("Keycloak", realm("editor", "reader"), {"role": "app_editor", "email": "ann@x.test"}),
    ("Keycloak", realm("reader"), {"role": "app_reader", "email": "ann@x.test"}),
    ("Keycloak", realm(), None),
    ("Keycloak", KEYCLOAK, None),
    ("Keycloak", {**KEYCLOAK, "realm_access": "editor"}, None),
    ("Entra", {**ENTRA, "roles": ["Orders.Write"]}, {"role": "app_editor", "sub": "o-1", "tid": "t-1"}),
    ("Entra", {**ENTRA, "roles": ["Orders.Read"]}, {"role": "app_reader", "sub": "o-1", "tid": "t-1"}),
    ("Entra", ENTRA, None),
    ("Auth0", {**AUTH0, "permissions": ["read:orders", "write:orders"]}, {"role": "app_editor"}),
    ("Auth0", {**AUTH0, "permissions": ["read:orders"]}, {"role": "app_reader"}),
    ("Auth0", {**AUTH0, "permissions": []}, None),
    ("GitHub", GITHUB, {"role": "app_deployer", "run_id": "9"}),
    ("GitHub", {**GITHUB, "repository_id": "75"}, None),
    ("GitHub", {**GITHUB, "ref": "refs/pull/1/merge"}, None),
    ("GitHub", {name: value for name, value in GITHUB.items() if name != "environment"}, None),
    ("Kubernetes", KUBERNETES, {"role": "app_deployer", "namespace": "shop"}),
    ("Kubernetes", {**KUBERNETES, "sub": "system:serviceaccount:other:importer"}, None),
]


def block(issuer: str, language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", SECTIONS[issuer], re.DOTALL)
    return str(found)


@pytest.mark.parametrize("issuer", SECTIONS)
def test_its_setting_is_accepted(issuer: str) -> None:
    (setting,) = read_issuers(f"[{block(issuer, 'json')}]")
    assert setting.audiences


def test_each_example_is_tested() -> None:
    assert SECTIONS.keys() == {issuer for issuer, _, _ in CASES}


@pytest.mark.anyio
@pytest.mark.parametrize("issuer", SECTIONS)
async def test_its_function_decides_by_the_claims_of_that_issuer(database: Database, issuer: str) -> None:
    database.execute(block(issuer, "sql"))
    connection = await asyncpg.connect(database.gateway_dsn)
    try:
        await connection.execute("set role anon")
        for _, claims, expected in (case for case in CASES if case[0] == issuer):
            row = await connection.fetchval("select auth.admit($1::jsonb)", json.dumps(claims))
            assert (None if row is None else json.loads(row)) == expected
    finally:
        await connection.close()
