"""Request headers: what ends at this hop, what a client may not claim, and what passes in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.http import header_kinds
from app.core.http.headers import Header, RequestHeaders, forwardable
from app.errors import HeadTooLarge

from .properties import tried

HOP_BY_HOP = (
    b"connection keep-alive proxy-connection proxy-authorization proxy-authenticate te trailer "
    b"transfer-encoding upgrade http2-settings"
).split()
WRITTEN_BY_THE_GATEWAY = (
    b"host authorization cookie content-length x-forwarded-for x-forwarded-proto x-forwarded-host "
    b"x-request-id"
).split()
# A54, A55, A56, B18. Who believes them: Rack, Django, Express, Spring, ASP.NET, Symfony, Next.js,
# Grafana, and the clouds and proxies that write them
CLAIMS = (
    b"forwarded forwarded-for x-forwarded x-forwarded-user x-forwarded-uri x-forwarded-prefix "
    b"x-forwarded-port x-forwarded-server x-forwarded-ssl x-forwarded-scheme x-forwarded-proto-version "
    b"x-forwarded-email x-forwarded-groups x-forwarded-preferred-username x-forwarded-access-token "
    b"x-forwarded-client-cert x-forward-for x-real-ip x-real-port x-client-ip x-clientip client-ip "
    b"true-client-ip cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 cf-visitor fastly-client-ip "
    b"fastly-ssl x-cluster-client-ip x-original-forwarded-for x-proxyuser-ip x-originating-ip x-remote-ip "
    b"x-remote-addr remote-addr wl-proxy-client-ip wl-proxy-ssl proxy-client-ip incap-client-ip "
    b"x-sucuri-clientip fly-client-ip do-connecting-ip ali-cdn-real-ip x-nf-client-connection-ip "
    b"x-vercel-forwarded-for cloudfront-viewer-address cloudfront-forwarded-proto x-envoy-external-address "
    b"x-envoy-internal x-envoy-original-path x-azure-clientip x-azure-socketip x-appengine-user-ip "
    b"x-appengine-user-email x-appengine-inbound-appid x-original-uri x-original-url x-original-host "
    b"x-original-method x-rewrite-url x-http-method-override x-http-method x-method-override "
    b"x-http-host-override x-host x-script-name x-ingress-path front-end-https x-url-scheme x-scheme "
    b"x-accel-mapping x-sendfile-type x-middleware-subrequest x-user x-user-id x-user-email x-userid "
    b"x-username x-role x-roles x-groups x-email remote-user remote-groups remote-name remote-email "
    b"x-remote-user x-remote-group x-remote-extra-scopes x-auth-request-user x-auth-request-email "
    b"x-auth-user x-auth-subject x-auth-role x-webauth-user x-authenticated-user x-authenticated-userid "
    b"x-authenticated-groups x-jwt-assertion x-jwt-claim-sub x-goog-authenticated-user-email "
    b"x-goog-iap-jwt-assertion x-amzn-oidc-data x-amzn-oidc-identity x-amzn-mtls-clientcert "
    b"x-ms-client-principal x-ms-client-principal-name x-ms-token-aad-id-token tailscale-user-login "
    b"tailscale-user-name x-authentik-username x-authentik-groups x-token-subject x-token-user-email "
    b"x-consumer-username x-consumer-custom-id x-credential-identifier x-anonymous-consumer x-userinfo "
    b"x-pomerium-claim-email cf-access-authenticated-user-email cf-access-jwt-assertion oidc-claim-sub "
    b"mellon-name-id shib-session-id eppn iv-user sm-user oam-remote-user auth-user auth-type "
    b"impersonate-user proxy proxy-user x-ssl-client-verify x-ssl-client-s-dn ssl-client-cert "
    b"ssl-client-verify x-client-cert x-client-cert-dn client-cert client-cert-chain x-arr-clientcert "
    b"x-arr-ssl ms-aspnetcore-clientcert ms-aspnetcore-winauthtoken $wsru $wsra"
).split()
# B13
ALIASES = (
    b"authorization_ x_forwarded_for x_real_ip content_length transfer_encoding x-request_id _ x_anything "
    b"x.real.ip x~real!ip x.auth-subject remote.user x|forwarded|for content.length transfer.encoding "
    b"x.request.id keep.alive content.profile sec.fetch.site"
).split()
PASSING = (
    b"accept accept-encoding accept-language content-type content-encoding prefer range range-unit "
    b"if-none-match user-agent max-forwards via x-a x-users traceparent x-user-agent x-client-info apikey "
    b"x-client-version x-requested-with x-csrf-token x-amzn-trace-id x-b3-traceid x-correlation-id "
    b"idempotency-key cdn-loop cf-ray save-data sec-ch-ua x-api-key x-hasura-role x-tenant-id x.a a.b.c "
    b"x-forge authored-by forward usermail client-id"
).split()


def lines(*headers: Header) -> list[bytes]:
    return RequestHeaders(headers).lines


@pytest.mark.parametrize("name", HOP_BY_HOP + WRITTEN_BY_THE_GATEWAY + CLAIMS + ALIASES)
def test_a_field_that_is_not_the_clients_to_send_does_not_cross(name: bytes) -> None:
    assert lines((b"x-a", b"1"), (name, b"value"), (b"x-b", b"2")) == [b"x-a: 1\r\n", b"x-b: 2\r\n"]


@pytest.mark.parametrize("name", PASSING)
def test_any_other_field_crosses_as_it_came(name: bytes) -> None:
    value = b" odd ,\tvalue; q=0 \xff"
    assert lines((name, value)) == [name + b": " + value + b"\r\n"]


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_dropped_in_every_spelling_that_some_server_takes_for_it(name: bytes) -> None:
    """CGI, WSGI and PHP turn dashes, and some of them every other mark, into underscores."""
    spellings = {name.replace(b"-", mark) for mark in (b"_", b".", b"~", b"|", b"+", b"'")}
    spellings |= {name.replace(b"-", b"_", 1), name.replace(b"-", b".", 1)}
    for spelling in spellings:
        if spelling != name:
            assert lines((spelling, b"value"), (b"x-a", b"1")) == [b"x-a: 1\r\n"], spelling
            assert forwardable([(spelling, b"value"), (b"x-a", b"1")]) == [(b"x-a", b"1")]


def test_sql_reads_what_crosses_and_the_credentials() -> None:
    own = [(b"host", b"gw.test"), (b"cookie", b"a=b"), (b"authorization", b"Bearer T"), (b"accept", b"*/*")]
    ends_here = [(name, b"1") for name in [*CLAIMS, *ALIASES, *HOP_BY_HOP] if name != b"connection"]
    nominating = [
        (b"connection", b"x-a, cookie, Accept-Profile"),
        (b"x-a", b"1"),
        (b"accept-profile", b"api"),
    ]
    assert forwardable([*own, *ends_here, *nominating]) == [*own, (b"accept-profile", b"api")]


def test_connection_names_at_most_a_hundred_fields() -> None:
    assert lines((b"connection", b",".join([b"x-b"] * 100)), (b"x-a", b"1")) == [b"x-a: 1\r\n"]
    with pytest.raises(HeadTooLarge):
        lines((b"connection", b",".join([b"x-b"] * 60)), (b"connection", b",".join([b"x-b"] * 60)))


def test_duplicates_stay_and_stay_in_order() -> None:
    sent = [
        (b"prefer", b"return=minimal"),
        (b"x-a", b"2"),
        (b"prefer", b"count=exact"),
        (b"x-a", b"1"),
        (b"x-a", b""),
    ]
    assert lines(*sent) == [name + b": " + value + b"\r\n" for name, value in sent]


@pytest.mark.parametrize(
    "connection",
    [
        b"x-a",
        b"close, x-a",
        b"X-A",
        b"keep-alive,x-A\t",
        b" ,, x-a ,",
        b"\tx-a , te",
        b"x-a, x-a",
        b"close,x-a,authorization",
    ],
)
def test_what_connection_names_ends_here(connection: bytes) -> None:
    assert lines((b"x-a", b"1"), (b"x-ab", b"2"), (b"connection", connection), (b"x-a", b"3")) == [
        b"x-ab: 2\r\n"
    ]


def test_all_connection_fields_are_one_list() -> None:  # B04
    sent = [
        (b"connection", b""),
        (b"x-a", b"1"),
        (b"connection", b"x-b"),
        (b"x-b", b"2"),
        (b"connection", b"x-a"),
    ]
    assert lines(*sent) == []


@pytest.mark.parametrize(
    "connection", [b"", b"close", b"Keep-Alive", b"upgrade", b"x-c", b"x", b"x-a: 1", b"x-a;x-b"]
)
def test_connection_names_whole_fields_only(connection: bytes) -> None:
    assert lines((b"connection", connection), (b"x-a", b"1"), (b"x-b", b"2")) == [
        b"x-a: 1\r\n",
        b"x-b: 2\r\n",
    ]


@pytest.mark.parametrize("name", [b"content-profile", b"origin", b"sec-fetch-site"])
def test_what_the_gateway_decides_by_cannot_be_named_away(name: bytes) -> None:
    assert lines((b"connection", name), (name, b"value")) == [name + b": value\r\n"]


def test_connection_cannot_take_anything_from_the_gateways_own_part() -> None:  # B01, B02, B03, B06
    own = [
        (b"host", b"gw.test"),
        (b"authorization", b"Bearer T"),
        (b"cookie", b"a=b"),
        (b"content-length", b"2"),
        (b"transfer-encoding", b"chunked"),
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"accept-profile", b"api"),
        (b"expect", b"100-continue"),
        (b"early-data", b"1"),
    ]
    read = RequestHeaders([(b"connection", b", ".join(name for name, _ in own)), *own])
    assert (read.host, read.authorization, read.cookie) == (b"gw.test", b"Bearer T", b"a=b")
    assert (read.content_length, read.transfer_encoding) == (b"2", b",chunked")
    assert (read.forwarded_for, read.accept_profile) == (b"192.0.2.1", b"accept-profile: api\r\n")
    assert (read.expect, read.early_data) == (b"100-continue", True)


def test_cookie_lines_are_joined_and_hosts_are_counted() -> None:  # E02, B21
    read = RequestHeaders([(b"cookie", b"a=1"), (b"host", b"a"), (b"cookie", b"b=2"), (b"host", b"a")])
    assert (read.cookie, read.host_count) == (b"a=1; b=2", 2)


def test_forwarding_chains_are_joined_in_order() -> None:
    read = RequestHeaders([(b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-for", b"192.0.2.2, 192.0.2.3")])
    assert read.forwarded_for == b"192.0.2.1, 192.0.2.2, 192.0.2.3"


def test_two_authorizations_are_none() -> None:  # B08
    assert RequestHeaders([(b"authorization", b"Bearer T")]).authorization == b"Bearer T"
    assert not RequestHeaders([(b"authorization", b"Bearer T")] * 2).authorization
    assert not RequestHeaders([(b"authorization", b"Bearer T")] * 3).authorization


@pytest.mark.parametrize("values", [[b"1"], [b"0"], [b"yes"], [b""], [b"1", b"0"], [b"0", b"0"]])
def test_any_early_data_field_means_early_data(values: list[bytes]) -> None:
    """RFC 8470 section 5.1: several or invalid instances are equivalent to a single one with the value 1."""
    assert RequestHeaders([(b"early-data", value) for value in values]).early_data


def test_a_request_without_fields_claims_nothing() -> None:
    read = RequestHeaders([])
    assert (read.lines, read.host_count, read.cookie, read.authorization) == ([], 0, b"", None)
    assert (read.content_length, read.transfer_encoding, read.origin, read.early_data) == (
        None,
        b"",
        None,
        False,
    )


def test_one_profile_goes_on_and_it_is_the_one_that_was_decided_by() -> None:
    read = RequestHeaders([(b"content-profile", b"auth"), (b"content-profile", b"api")])
    assert read.lines == [b"content-profile: %b\r\n" % (read.content_profile or b"")]
    read = RequestHeaders([(b"accept-profile", b"api"), (b"accept-profile", b"auth")])
    assert read.accept_profile.count(b"accept-profile: ") == 1


def test_a_name_is_judged_the_same_however_often_it_is_seen() -> None:
    for name in (b"x_a", b"x-a", b"x-forwarded-" + b"a" * 100, b"b" * 100):
        assert lines((name, b"1")) == lines((name, b"1"))


def test_the_memory_of_names_is_bounded_in_number_and_in_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_kinds, "_KINDS", memory := dict(header_kinds._KINDS))
    lines((b"x" * 65, b"1"))
    assert not [name for name in memory if len(name) > 64]
    lines(*((b"x-%d" % number, b"1") for number in range(3000)))
    assert len(memory) <= 1024


NAMES = HOP_BY_HOP + CLAIMS + ALIASES + PASSING
values = st.sampled_from([b"", b"1", b"close", b"x-a", b"a, b", b"\xff"])


@st.composite
def heads(draw: st.DrawFn) -> tuple[list[Header], set[bytes]]:
    """A head with Connection fields in any casing and spacing, and the names that they nominate."""
    headers = draw(
        st.lists(
            st.tuples(st.sampled_from([name for name in NAMES if name != b"connection"]), values), max_size=10
        )
    )
    nominated: set[bytes] = set()
    for _ in range(draw(st.integers(0, 3))):
        named = draw(st.lists(st.sampled_from([*NAMES, b"close", b""]), max_size=4))
        named += [name for name, _ in headers if draw(st.booleans())]
        nominated.update(named)
        blank = st.sampled_from([b"", b" ", b"\t", b" \t "])
        case = st.sampled_from([bytes.lower, bytes.upper, bytes.title])
        spelled = b",".join(draw(blank) + draw(case)(name) + draw(blank) for name in named)
        headers.insert(draw(st.integers(0, len(headers))), (b"connection", spelled))
    return headers, nominated


@tried
@given(heads())
def test_whatever_the_head_only_fields_that_may_pass_do_in_their_order(
    head: tuple[list[Header], set[bytes]],
) -> None:
    headers, nominated = head
    passing = set(PASSING) - nominated
    assert lines(*headers) == [name + b": " + value + b"\r\n" for name, value in headers if name in passing]


@tried
@given(heads())
def test_filtering_twice_is_filtering_once(head: tuple[list[Header], set[bytes]]) -> None:
    once = lines(*head[0])
    again = [line.removesuffix(b"\r\n").partition(b": ") for line in once]
    assert lines(*[(name, value) for name, _, value in again]) == once


@tried
@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12)), max_size=8))
def test_any_bytes_are_read_as_headers(headers: list[Header]) -> None:
    assert len(lines(*headers)) <= len(headers)
