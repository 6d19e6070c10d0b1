"""The error for bytes of a client that the parser rejects."""

import httptools

from app.errors import GatewayError, MethodUnknown, RequestMalformed


def unreadable(error: httptools.HttpParserError, data: bytes, *, in_head: bool) -> GatewayError:
    """The error for bytes that are no request."""
    if isinstance(error, httptools.HttpParserInvalidMethodError) and in_head:
        token = data.partition(b" ")[0]
        if token.isalpha():
            return MethodUnknown(reason="unknown method")  # RFC 9110 section 15.6.2
    return RequestMalformed(reason=type(error).__name__)
