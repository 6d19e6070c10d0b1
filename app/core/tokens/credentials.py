"""The credentials of a request besides the session's cookies."""

from app.core.http.headers import RequestHeaders


def browser_authenticates(read: RequestHeaders) -> bool:
    """Whether a browser may have signed the request by itself: any cookie, or HTTP authentication."""
    return bool(read.cookie) or (read.authorization is not None and bearer(read.authorization) is None)


def bearer(authorization: bytes | None) -> bytes | None:
    if authorization is None or authorization[:7].lower() != b"bearer ":
        return None
    return authorization[7:].strip(b" \t")


def drop_published(read: RequestHeaders, key: bytes) -> RequestHeaders:
    """The headers without a Bearer token that is the published key, which supabase-js sends; empty: no key.

    Everyone has that key, so it must neither identify a caller nor replace or prevent another credential: the
    request is judged like one without Authorization. It need not be a token, and no rights that a signed key
    may have reach PostgREST.
    """
    if key and bearer(read.authorization) == key:
        read.authorization = None
    return read
