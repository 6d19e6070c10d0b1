"""Guessing passwords through the gateway: what is refused, for how long, and whom it does not touch."""

import json
import re
from collections.abc import Iterator
from functools import partial
from itertools import count
from urllib.request import urlopen

import pytest
from harness.relay.answers import Answer
from harness.relay.deadlines import wait_until
from harness.site.abuse import (
    JSON,
    all_at_once,
    code,
    limited,
    login,
    reading,
    retry_after,
    statuses,
)
from harness.site.client import Field, ask
from harness.site.gateways import StartGateway
from harness.site.process import GatewayProcess
from harness.site.site import Site

pytestmark = pytest.mark.xdist_group("abuse")

_addresses = count(1)


@pytest.fixture(scope="module")
def gateway(site: Site, start_gateway: StartGateway) -> Iterator[GatewayProcess]:
    """A gateway with the limits of the defaults, behind a proxy that names its clients."""
    with start_gateway(limited(site, trusted_proxies="127.0.0.1")) as gateway:
        yield gateway


@pytest.fixture
def url(gateway: GatewayProcess) -> str:
    return gateway.url


def client(number: int | None = None) -> Field:
    """The field in which the trusted proxy names a client; another one each time."""
    address = next(_addresses) if number is None else number
    return "X-Forwarded-For", f"198.51.{address // 256}.{address % 256}"


def metric(gateway: GatewayProcess, name: str) -> float:
    with urlopen(f"{gateway.admin_url}/metrics") as answer:  # noqa: S310  our own
        text = answer.read().decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_a_thousand_wrong_passwords_are_refused_and_nobody_else_is(
    site: Site, gateway: GatewayProcess, url: str
) -> None:
    """F29, F33: of one account, from one address, as fast as they come."""
    me = client()
    scope = 'gateway_limits_reached_total{function="login",scope="pair"}'
    before = metric(gateway, scope)
    with reading(site, url) as reads:
        answers = all_at_once(partial(login, url, "demo", f"guess{n}", me) for n in range(1_000))
    assert statuses(answers) == {401: 5, 429: 995}
    assert set(reads) == {200}
    assert len(reads) > 10
    assert metric(gateway, scope) - before == 995

    locked = login(url, "demo", "demo", me)
    assert (locked.status, code(locked)) == (429, "GW203")
    assert 1 <= retry_after(locked) <= 61
    assert locked.head.value(b"cache-control") == b"no-store"
    assert not locked.head.values(b"set-cookie")
    assert login(url, "demo", "demo", client()).status == 204, "from elsewhere, and the account is cleared"


def test_the_right_password_works_after_the_window(site: Site, start_gateway: StartGateway) -> None:
    """F29: it unlocks by itself."""
    with start_gateway(limited(site, login_limit_pair="2/second")) as gateway:
        answers = all_at_once(partial(login, gateway.url, "demo", "wrong") for _ in range(20))
        assert set(statuses(answers)) == {401, 429}
        assert {retry_after(answer) for answer in answers if answer.status == 429} <= {1, 2}
        wait_until(lambda: login(gateway.url, "demo", "demo").status == 204, "the lock to open")


def test_an_address_that_the_client_claims_is_no_fresh_start(site: Site, start_gateway: StartGateway) -> None:
    """F31: there is no trusted proxy here."""
    claims = (
        "X-Forwarded-For",
        "X-Real-IP",
        "Forwarded",
        "X-Client-IP",
        "CF-Connecting-IP",
        "True-Client-IP",
    )
    with start_gateway(limited(site)) as gateway:
        for header in claims:
            claimed = ((header, f"203.0.113.{n}") for n in range(6))
            tries = [login(gateway.url, f"nobody {header}", "wrong", field).status for field in claimed]
            assert tries == [401] * 5 + [429], header


def test_what_stands_before_the_word_of_the_trusted_proxy_is_no_fresh_start(url: str) -> None:
    """F31."""
    name, address = client()
    forged = ((name, f"203.0.113.{n}, {address}") for n in range(6))
    assert [login(url, "nobody 1", "wrong", field).status for field in forged] == [401] * 5 + [429]


@pytest.mark.parametrize("header", ["X-Real-IP", "Forwarded", "X-Client-IP", "CF-Connecting-IP"])
def test_no_other_header_names_a_client(url: str, header: str) -> None:
    """F31."""
    me = client()
    tries = [login(url, f"nobody {header}", "wrong", me, (header, f"for=203.0.113.{n}")) for n in range(6)]
    assert [answer.status for answer in tries] == [401] * 5 + [429]


def test_both_roads_and_all_forms_lead_to_one_counter(url: str) -> None:
    """F31, A16."""
    me = client()

    def send(body: bytes, media: str, target: str = "/rpc/login") -> Answer:
        return ask(url, "POST", target, [("Content-Type", media), me], body)

    json_media, form = "application/json", "application/x-www-form-urlencoded"
    tries = [
        send(b'{"user_":"Alice B","pass":"x"}', json_media),
        send(b'{"user_":"ALICE B ","pass":"x"}', json_media, "/rest/rpc/login"),
        send(b'{"user_":"bob","pass":"x","user_":"alice b"}', json_media),
        send(b"user_=bob&pass=x&user_=%EF%BC%A1lice+B", form),
        send(b'[{"user_":"alice b","pass":"x"}]', json_media, "/rest/rpc/login?columns=user_,pass"),
        send(b"user_,pass\nalice b,x\n", "text/csv"),
    ]
    assert [answer.status for answer in tries] == [401] * 5 + [429]


def test_names_that_nobody_has_are_limited_alike(url: str) -> None:
    me = client()
    known = [login(url, "demo", "wrong", me) for _ in range(6)]
    unknown = [login(url, "nobody 2", "wrong", me) for _ in range(6)]
    assert [answer.status for answer in known] == [answer.status for answer in unknown]
    assert known[0].body == unknown[0].body
    assert known[5].body == unknown[5].body


def test_one_account_is_guessed_no_faster_from_many_addresses(url: str) -> None:
    tries = [login(url, "nobody 3", "wrong", client()) for _ in range(22)]
    assert statuses(tries) == {401: 20, 429: 2}
    assert login(url, "nobody 4", "wrong", client()).status == 401


def test_many_accounts_are_guessed_no_faster_from_one_address(url: str) -> None:
    me = client()
    tries = [login(url, f"spray {n}", "Password1", me) for n in range(64)]
    assert statuses(tries) == {401: 60, 429: 4}


def test_a_flood_of_random_refresh_tokens_is_stopped(site: Site, url: str, gateway: GatewayProcess) -> None:
    """F53."""
    me = client()

    def refresh(number: int) -> Answer:
        return ask(url, "POST", "/rpc/refresh_token", [me, ("Cookie", f"refresh_token=random{number}")], b"")

    with reading(site, url) as reads:
        answers = all_at_once(partial(refresh, n) for n in range(1_000))
        assert login(url, "demo", "demo", client()).status == 204, "the database has a connection for others"
    assert statuses(answers) == {401: 300, 429: 700}
    assert set(reads) == {200}
    assert gateway.is_ready


def test_changing_a_password_is_limited_by_session(url: str) -> None:
    me = client()
    signed_in = login(url, "demo", "demo", me)
    (cookie,) = (
        value.partition(b";")[0].decode()
        for value in signed_in.head.values(b"set-cookie")
        if value.startswith(b"refresh_token")
    )

    def change(old: str) -> Answer:
        fields = [JSON, me, ("Content-Profile", "auth"), ("Cookie", cookie)]
        return ask(url, "POST", "/rpc/change_password", fields, json.dumps({"old": old, "new": "x"}).encode())

    tries = [change(f"guess{n}") for n in range(5)]
    assert statuses(tries) == {401: 5}
    locked = change("demo")
    assert (locked.status, code(locked)) == (429, "GW203")


def test_refusals_stand_in_the_audit_table(site: Site, url: str) -> None:
    name, address = client()
    for _ in range(8):
        login(url, "demo", "wrong", (name, address), ("User-Agent", "guesser/1"))
    query = "select kind, username, user_agent from auth.event where address = $1 order by id"

    def noted() -> list[tuple[str, str, str]]:
        return [tuple(row) for row in site.database.fetch(query, address)]

    wait_until(lambda: len(noted()) == 6, "the failures to be written")
    assert noted() == [
        *[("sign_in_failed", "demo", "guesser/1")] * 5,
        ("sign_in_throttled", "demo", "guesser/1"),
    ]


def test_no_name_and_no_password_stands_in_the_log(url: str, gateway: GatewayProcess) -> None:
    me = client()
    for _ in range(8):
        login(url, "a-name-to-look-for", "a-password-to-look-for", me)
    wait_until(lambda: '"code":"GW203","reason":"login: pair"' in gateway.output, "the refusal in the log")
    assert "to-look-for" not in gateway.output
