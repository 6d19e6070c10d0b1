"""What of a request may say who asks, besides the session's cookies."""

from app.core.http.headers import RequestHeaders


def browser_authenticates(read: RequestHeaders) -> bool:
    """Whether a browser may have signed the request by itself: any cookie, or HTTP authentication."""
    return bool(read.cookie) or (read.authorization is not None and bearer(read.authorization) is None)


def bearer(authorization: bytes | None) -> bytes | None:
    if authorization is None or authorization[:7].lower() != b"bearer ":
        return None
    return authorization[7:].strip(b" \t")
