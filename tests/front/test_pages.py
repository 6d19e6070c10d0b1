"""The pages about what stands in front: what they name exists, and what they list is what there is."""

import re
import time
from pathlib import Path

import httpx
import pytest
from core.builders import gateway, mint
from fastapi import FastAPI
from harness.site.rows import documented_rows

from app.core.requests import Admitted, Renewed, Request
from app.routes.verify import Settle, verify_routes
from app.settings import Settings, variable
from front.test_forward_auth import FRONTS as ASKING
from front.test_tls import FRONTS as ENDING_TLS

pytestmark = pytest.mark.anyio

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["behind-a-proxy.md", "forward-auth.md", "from-caddy.md"]
FORWARD_AUTH = (DOCS / "forward-auth.md").read_text(encoding="utf-8")
OF_ITSELF = {"cache-control", "x-request-id", "date", "server"}


@pytest.mark.parametrize("page", PAGES)
def test_its_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (DOCS / page).read_text(encoding="utf-8"))
    assert links
    assert not [link for link in links if not (DOCS / link).is_file()]


@pytest.mark.parametrize("page", PAGES)
def test_the_settings_that_it_speaks_of_exist(page: str) -> None:
    told = set(re.findall(r"POSTGATE_[A-Z0-9_]+", (DOCS / page).read_text(encoding="utf-8")))
    assert told <= {variable(field) for field in Settings.model_fields} | {"POSTGATE_OWNER_DATABASE_URL"}


def test_every_configuration_is_on_a_page_and_every_one_that_can_be_run_is_run() -> None:
    linked = {
        link
        for page in PAGES
        for link in re.findall(r"\]\(front/([^)]+)\)", (DOCS / page).read_text("utf-8"))
    }
    assert linked == {file.name for file in (DOCS / "front").iterdir()}
    run = {*ENDING_TLS.values(), *ASKING.values()}
    assert {
        name for name in linked if "Not run in" in (DOCS / "front" / name).read_text("utf-8")
    } == linked - run


def test_the_differences_that_clients_notice_are_rows_of_the_comparison() -> None:
    page = (DOCS / "from-caddy.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## What clients notice\n(.*?)^## ", page, re.DOTALL | re.MULTILINE)
    ids = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    assert len(ids) > 10
    assert set(ids) <= set(documented_rows())


async def test_the_headers_of_a_yes_are_the_ones_that_are_listed_and_that_traefik_copies() -> None:
    async def renew(_: Request, __: Admitted) -> Renewed | None:
        return None

    app = FastAPI()
    app.include_router(verify_routes(gateway, Settle(renew), lambda: b"id", lambda _: None))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://postgate:8001") as client:
        cookie = f"access_token={mint(exp=int(time.time()) + 60)}"
        answer = await client.get("/auth/verify", headers={"Cookie": cookie})
    answered = set(answer.headers) - OF_ITSELF
    (table,) = re.findall(r"^\| header of a 2xx response .*?\n\n", FORWARD_AUTH, re.DOTALL | re.MULTILINE)
    assert {name.lower() for name in re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)} == answered
    traefik = (DOCS / "front/traefik-forward-auth.yml").read_text(encoding="utf-8")
    (copied,) = re.findall(r"authResponseHeaders: \[(.*)\]", traefik)
    assert {name.lower() for name in copied.split(", ")} == answered
