"""What dates of a token mean at the gateway, compared with PostgREST itself."""

import json
import time
from base64 import b64decode

import pytest
from harness.relay.answers import Answer
from harness.relay.tokens import sign
from harness.site.client import ask
from harness.site.site import Site

HEADER = b'{"alg":"HS256","typ":"JWT"}'
SKEW_SECONDS = 30  # PostgREST's own tolerance, which the gateway does not give
FAR_SECONDS = 4 * SKEW_SECONDS

# Dates relative to now, by the claim; what both readers take, or both refuse
BOTH_ADMIT = [
    {"exp": "{later}"},
    {"exp": "{later}.5"},
    {"exp": "{later}.123456"},
    {"exp": "{later}.0"},
    {"exp": "{later}00e-2"},
    *({claim: text} for claim in ("nbf", "iat") for text in ("null", "0", "-0", "-1", "1e9", "{before}.75")),
]
BOTH_REFUSE = [
    *({"exp": text} for text in ("0", "-0", "-1", "1e-5", "1e9", "1.7e9", "{before}.5", "-1e400")),
    *({claim: text} for claim in ("nbf", "iat") for text in ("{later}", "{later}.5", "1e30", "1e400")),
    *(
        {claim: text}
        for claim in ("exp", "nbf", "iat")
        for text in (
            '"{later}"',
            "true",
            "[1]",
            "{{}}",
            "NaN",
            "Infinity",
            "+{later}",
            "0{later}",
            "{later}.",
            ".5",
        )
    ),
]
# The gateway asks for a date, and for one of this era: what never expires cannot be got rid of
ONLY_POSTGREST_ADMITS = [
    {"exp": text} for text in ("null", "1e12", "1e30", "1e400", "253402300800", "9" * 40)
] + [{claim: text} for claim in ("nbf", "iat") for text in ("-1e30", "-1e400")]


def minted(site: Site, dates: dict[str, str]) -> str:
    now = int(time.time())
    texts = {"exp": "{later}"} | dates
    claims = "".join(
        f',"{name}":{text.format(later=now + FAR_SECONDS, before=now - FAR_SECONDS)}'
        for name, text in texts.items()
    )
    return sign(
        HEADER, f'{{"role":"basic_subscriber","sub":"demo"{claims}}}'.encode(), key=b64decode(site.jwt_secret)
    )


def statuses(site: Site, dates: dict[str, str]) -> tuple[int, int]:
    """Of PostgREST asked straight, and of the gateway."""
    bearer = ("Authorization", f"Bearer {minted(site, dates)}")

    def status(url: str, target: str) -> int:
        answer: Answer = ask(url, "GET", target, [bearer])
        assert answer.status == 200 or json.loads(answer.body)["message"]
        return answer.status

    return status(site.postgrest.url, "/task?select=id"), status(site.url, "/rest/task?select=id")


@pytest.mark.parametrize("dates", BOTH_ADMIT, ids=str)
def test_a_date_that_postgrest_takes_the_gateway_takes(site: Site, dates: dict[str, str]) -> None:
    assert statuses(site, dates) == (200, 200)


@pytest.mark.parametrize("dates", BOTH_REFUSE, ids=str)
def test_a_date_that_postgrest_refuses_the_gateway_refuses(site: Site, dates: dict[str, str]) -> None:
    assert statuses(site, dates) == (401, 401)


@pytest.mark.parametrize("dates", ONLY_POSTGREST_ADMITS, ids=str)
def test_a_token_without_a_date_of_this_era_is_refused_by_the_gateway_alone(
    site: Site, dates: dict[str, str]
) -> None:
    assert statuses(site, dates) == (200, 401)
