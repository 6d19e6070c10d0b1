"""postgrest-py with its defaults, as a program: its arguments are a base URL, a good and an expired token."""

import json
import sys

import httpx
from postgrest import APIError, SyncPostgrestClient  # type: ignore[import-not-found]  # in a folder apart

base, good, expired = sys.argv[1:]


def error_of(token: str) -> list[str]:
    api = SyncPostgrestClient(f"{base}/rest/v1", schema="api").auth(token)
    try:
        api.from_("task").select("*").execute()
    except APIError as error:
        return [str(error.code), str(error.message)]
    return []


with httpx.Client() as jar:  # it keeps cookies
    api = SyncPostgrestClient(f"{base}/rest/v1", schema="api", http_client=jar)
    notices = api.from_("notice").select("*").execute()
    SyncPostgrestClient(f"{base}/rest/v1", schema="auth", http_client=jar).rpc(
        "login", {"user_": "demo", "pass": "demo"}
    ).execute()
    owners = {row["owner"] for row in api.from_("task").select("owner").execute().data}
bearer = SyncPostgrestClient(base, schema="api").auth(good)
outcomes = {
    "anonymous": isinstance(notices.data, list),
    "owners": sorted(owners),
    "token": sorted({row["owner"] for row in bearer.from_("task").select("owner").execute().data}),
    "sum": bearer.rpc("add", {"a": 1, "b": 2}).execute().data,
    "expired": error_of(expired),
}
sys.stdout.write(json.dumps(outcomes))
