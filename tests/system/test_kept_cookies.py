"""A sign-in whose cookies the browser would not keep is an error, and no success without a session."""

import json

import pytest
from harness.relay.answers import Answer
from harness.relay.deadlines import wait_until
from harness.site.client import Field, ask
from harness.site.site import TRUSTED_ORIGIN, Site

JSON: Field = ("Content-Type", "application/json")
DEMO = b'{"user_":"demo","pass":"demo"}'


def login(site: Site, *fields: tuple[str, str]) -> Answer:
    return ask(site.url, "POST", "/rpc/login", [JSON, ("Origin", TRUSTED_ORIGIN), *fields], DEMO)


@pytest.mark.parametrize("mode", ["cors", "no-cors"])
def test_a_page_of_another_site_is_told_that_it_cannot_sign_in(site: Site, mode: str) -> None:
    got = login(site, ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", "empty"))
    assert (got.status, json.loads(got.body)["code"]) == (500, "GW403")
    assert not got.head.values(b"set-cookie")
    assert got.head.value(b"access-control-allow-origin") == TRUSTED_ORIGIN.encode()
    wait_until(lambda: "from a page of another site" in site.gateway.output, "the log to say why")


@pytest.mark.parametrize(
    "fields",
    [
        (("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "cors")),
        (("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")),
        (),
    ],
)
def test_a_page_of_this_site_or_a_whole_form_signs_in(site: Site, fields: tuple[Field, ...]) -> None:
    got = login(site, *fields)
    assert got.status == 204
    assert len(got.head.values(b"set-cookie")) == 2
