"""The session that SQL sees in request.cookies is the one that the gateway has read, whatever came."""

import pytest
from core.builders import NAMES
from core.properties import tried
from hypothesis import given
from hypothesis import strategies as st

from app.auth.calls import FunctionCall
from app.auth.context import read_cookies
from app.core.session.cookie_names import HOST_PREFIX, CookieNames
from app.core.session.cookies import plain_cookies, read_session

HOST_NAMES = CookieNames(b"access_token", b"refresh_token", prefix=HOST_PREFIX)
PIECES = [
    b"access_token", b"refresh_token", b"__Host-refresh_token", b"x", b"a", b"b", b"=", b"=", b";", b"; ",
    b" ", b"\t", b"\xa0", b'"', b"\x0b",
]  # fmt: skip


@pytest.mark.parametrize("names", [NAMES, HOST_NAMES], ids=["plain", "prefixed"])
@tried
@given(header=st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join))
def test_both_read_the_same_session(names: CookieNames, header: bytes) -> None:
    here = read_session(header, names)
    call = FunctionCall("logout", "/rpc/logout", b"", [(b"cookie", plain_cookies(header, names))], b"")
    seen = read_cookies(call)
    for name, value in (("access_token", here.access), ("refresh_token", here.refresh)):
        if value is None or here.ambiguous:
            assert not seen.get(name)
        else:
            assert seen[name] == value.decode(errors="replace")
