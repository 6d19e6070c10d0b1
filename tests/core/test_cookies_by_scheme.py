"""The session's cookies have the prefix where they are Secure, and plain names elsewhere and for SQL."""

import pytest

from app.core.known_heads import admit_known, known_head
from app.core.session.cookie_names import HOST_PREFIX, SESSION_PATHS, ClientCookieNames, CookieNames
from app.core.session.cookies import (
    SessionCookies,
    clear,
    clear_session,
    finish,
    name_of,
    plain_cookies,
    read_session,
    replaced,
)
from app.core.session.session_guard import without_session
from app.errors import CookieAmbiguous, CredentialMissing, GatewayError

from .builders import NOW, decide, gateway, mint, peer, refusal, request

PLAIN = CookieNames(b"access_token", b"refresh_token", other_prefix=HOST_PREFIX)
SECURE = CookieNames(b"access_token", b"refresh_token", prefix=HOST_PREFIX)
AUTO = ClientCookieNames(PLAIN, SECURE)
NAMES = {"http": "access_token", "https": "__Host-access_token"}
SCHEMES = pytest.mark.parametrize(("scheme", "own"), NAMES.items())
OTHER = {"http": NAMES["https"], "https": NAMES["http"]}
ANY_PEER = gateway(cookies=AUTO)


@pytest.mark.parametrize(
    ("header", "plain", "secure"),
    [
        (b"access_token=A", SessionCookies(b"A", None, b""), SessionCookies(None, None, b"")),
        (b"__Host-access_token=A", SessionCookies(None, None, b""), SessionCookies(b"A", None, b"")),
        (
            b"access_token=A; x=1; __Host-access_token=B; refresh_token=R; __Host-refresh_token=S; y=2",
            SessionCookies(b"A", b"R", b"x=1; y=2"),
            SessionCookies(b"B", b"S", b"x=1; y=2"),
        ),
        (
            b"access_token=A; access_token=B; __Host-refresh_token=S",
            SessionCookies(b"B", None, b"", ambiguous=True),
            SessionCookies(None, b"S", b""),
        ),
        (
            b"__Host-access_token=A; __Host-access_token=B; refresh_token=R",
            SessionCookies(None, b"R", b""),
            SessionCookies(b"B", None, b"", ambiguous=True),
        ),
        (
            b"__host-access_token=A; ACCESS_TOKEN=B",
            SessionCookies(None, None, b"__host-access_token=A; ACCESS_TOKEN=B"),
            SessionCookies(None, None, b"__host-access_token=A; ACCESS_TOKEN=B"),
        ),
    ],
)
def test_each_client_has_one_spelling_and_the_other_goes_nowhere(
    header: bytes, plain: SessionCookies, secure: SessionCookies
) -> None:
    assert read_session(header, PLAIN) == plain
    assert read_session(header, SECURE) == secure


@pytest.mark.parametrize("names", [PLAIN, SECURE])
def test_sql_sees_plain_names_and_nothing_of_the_other_spelling(names: CookieNames) -> None:
    header = b"a=b; %b=mine; %b=other; %b=R" % (
        names.sent_access,
        SECURE.sent_access if names is PLAIN else PLAIN.sent_access,
        names.sent_refresh,
    )
    assert plain_cookies(header, names) == b"a=b; access_token=mine; refresh_token=R"


def test_what_sql_writes_is_renamed_for_https_alone() -> None:
    written = [b"access_token=A; Path=/x; Domain=example.org", b"theme=dark"]
    assert finish(written, PLAIN, secure=False) == [
        b"access_token=A; Path=/x; Domain=example.org; HttpOnly; SameSite=Lax",
        b"theme=dark",
    ]
    assert finish(written, SECURE, secure=True) == [
        b"__Host-access_token=A; Path=/; HttpOnly; SameSite=Lax; Secure",
        b"theme=dark",
    ]


@pytest.mark.parametrize(("names", "secure"), [(PLAIN, False), (SECURE, True)])
def test_a_sign_out_clears_both_spellings_the_own_last(names: CookieNames, *, secure: bool) -> None:
    cleared = finish([b"access_token=; Path=/; Max-Age=0"], names, secure=secure)
    assert cleared == clear_session(names, secure=secure)
    assert sorted(cleared) == sorted(
        [
            *(
                clear(name, path, secure=secure)
                for name in (b"access_token", b"refresh_token")
                for path in SESSION_PATHS
            ),
            *(clear(HOST_PREFIX + name, b"/", secure=True) for name in (b"access_token", b"refresh_token")),
        ]
    )
    assert name_of(cleared[-1]) == names.sent_access


def test_a_refresh_cookie_of_its_own_path_gives_way_only_where_it_is_read() -> None:
    written, path = [b"refresh_token=r2; Path=/"], b"/rpc/refresh_token"
    assert replaced(written, PLAIN, path, secure=False) == [clear(b"refresh_token", path, secure=False)]
    assert replaced(written, SECURE, path, secure=True) == []


@pytest.mark.parametrize("names", [PLAIN, SECURE])
def test_no_other_service_sets_either_spelling(names: CookieNames) -> None:
    lines = [b"Set-Cookie: %b=x\r\n" % name for name in (*PLAIN.both, *SECURE.both)]
    assert without_session(lines, names)[0] == []


class TestNamesWithAPrefixOfTheirOwn:
    """A configured name that has a prefix already stays as it is, and what SQL writes to it as well."""

    NAMES = CookieNames(b"__Secure-sid", b"refresh_token", prefix=HOST_PREFIX)

    def test_it_is_read_and_written_as_it_is(self) -> None:
        read = read_session(b"__Secure-sid=A; __Host-refresh_token=R; refresh_token=S", self.NAMES)
        assert read == SessionCookies(b"A", b"R", b"")
        written = [b"__Secure-sid=A; Domain=example.org; Secure", b"refresh_token=R"]
        assert finish(written, self.NAMES, secure=True) == [
            b"__Secure-sid=A; Domain=example.org; Secure; HttpOnly; SameSite=Lax",
            b"__Host-refresh_token=R; Path=/; HttpOnly; SameSite=Lax; Secure",
        ]


class TestAdmission:
    @SCHEMES
    def test_the_scheme_of_the_client_chooses(self, scheme: str, own: str) -> None:
        mine, tossed = mint(sub="u1"), mint(sub="attacker")
        cookies = f"Cookie: {OTHER[scheme]}={tossed}; {own}={mine}; theme=dark"
        admitted = decide("GET /rest/items", cookies, gate=ANY_PEER, peer=peer(scheme=scheme))
        assert admitted.token is not None
        assert admitted.token.subject == "u1"
        assert tossed.encode() not in admitted.head
        assert b"\r\ncookie: theme=dark\r\n" in admitted.head
        only = f"Cookie: {OTHER[scheme]}={tossed}"
        refusal(CredentialMissing, "GET /rest/items", only, gate=ANY_PEER, peer=peer(scheme=scheme))

    @pytest.mark.parametrize("own_scheme", ["http", "https"])
    @SCHEMES
    def test_a_trusted_proxys_word_counts_and_not_its_connection(
        self, own_scheme: str, scheme: str, own: str
    ) -> None:
        fields = (f"X-Forwarded-Proto: {scheme}", f"Cookie: {own}={mint()}")
        proxy, stranger = peer("10.0.0.1", own_scheme), peer(scheme=own_scheme)
        assert decide("GET /rest/items", *fields, gate=ANY_PEER, peer=proxy).token is not None
        if scheme != own_scheme:  # a client cannot choose
            refusal(CredentialMissing, "GET /rest/items", *fields, gate=ANY_PEER, peer=stranger)

    @pytest.mark.parametrize(
        ("secure_cookies", "scheme", "own"),
        [
            (True, "http", "__Host-access_token"),
            (True, "https", "__Host-access_token"),
            (False, "http", "access_token"),
            (False, "https", "access_token"),
        ],
    )
    def test_the_prefix_goes_with_secure(self, *, secure_cookies: bool, scheme: str, own: str) -> None:
        gate = gateway(cookies=AUTO, secure_cookies=secure_cookies)
        field = f"Cookie: {own}={mint()}"
        admitted = decide("GET /rest/items", field, gate=gate, peer=peer(scheme=scheme))
        assert admitted.token is not None
        assert gate.secure(admitted.client) is own.startswith("__Host-")

    @SCHEMES
    @pytest.mark.parametrize("line", ["GET /rest/items", "POST /rpc/login"])
    def test_two_of_the_clients_own_are_cleared_and_two_of_the_others_are_nothing(
        self, line: str, scheme: str, own: str
    ) -> None:
        two = f"Cookie: {own}=a; {own}=b"
        error = refusal(CookieAmbiguous, line, two, gate=ANY_PEER, peer=peer(scheme=scheme))
        names = {name_of(value) for _, value in error.headers}
        assert names == PLAIN.both | SECURE.both
        others = f"Cookie: {OTHER[scheme]}=a; {OTHER[scheme]}=b; {own}={mint()}"
        assert decide(line, others, gate=ANY_PEER, peer=peer(scheme=scheme))

    @SCHEMES
    def test_the_app_lane_reads_the_same(self, scheme: str, own: str) -> None:
        for name in NAMES.values():
            asked = request("POST /rpc/logout", f"Cookie: {name}={mint()}", peer=peer(scheme=scheme))
            client = ANY_PEER.decide(asked, NOW).client
            assert (ANY_PEER.token_of(asked.headers, client, NOW) is not None) is (name == own)

    @SCHEMES
    def test_a_session_is_renewed_by_the_clients_own_refresh_cookie(self, scheme: str, own: str) -> None:
        gate = gateway(cookies=AUTO, renews=True)
        mine, others = (name.replace("access", "refresh") for name in (own, OTHER[scheme]))
        cookies = f"Cookie: {mine}=mine; {others}=other"
        assert decide("GET /rest/items", cookies, gate=gate, peer=peer(scheme=scheme)).refresh == b"mine"

    @pytest.mark.parametrize("proto", ["http", "https"])
    def test_a_head_that_is_known_belongs_to_its_scheme(self, proto: str) -> None:
        own, other = NAMES[proto], OTHER[proto]
        proxy = peer("10.0.0.1", "http")

        def tail(scheme: str) -> bytes:
            cookie = f"Cookie: {own}={mint()}; {other}=x"
            return f"Host: gw.test\r\nX-Forwarded-Proto: {scheme}\r\n{cookie}".encode()

        data = b"GET /rest/items HTTP/1.1\r\n%b\r\n\r\n" % tail(proto)
        fields = tail(proto).decode().split("\r\n")[1:]
        asked = request("GET /rest/items", *fields, peer=proxy)
        earlier = known_head(asked, ANY_PEER.decide(asked, NOW), data)
        assert earlier is not None
        assert admit_known(ANY_PEER, earlier, data, proxy, b"id-2", NOW) is not None
        swapped = b"GET /rest/items HTTP/1.1\r\n%b\r\n\r\n" % tail("http" if proto == "https" else "https")
        assert admit_known(ANY_PEER, earlier, swapped, proxy, b"id-2", NOW) is None
        assert admit_known(ANY_PEER, earlier, data, peer("10.0.0.1", "https"), b"id-2", NOW) is None

    @SCHEMES
    def test_a_refusal_never_depends_on_the_other_spelling(self, scheme: str, own: str) -> None:
        with pytest.raises(GatewayError) as refused:
            decide("GET /rest/items", f"Cookie: {own}=no-token", gate=ANY_PEER, peer=peer(scheme=scheme))
        assert refused.value.status == 401
