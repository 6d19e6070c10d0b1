"""What to make of bytes that the parser gave up on, from a client and from an upstream."""

import httptools

from app.errors import GatewayError, MethodUnknown, RequestMalformed, UpstreamBroken


def unreadable(error: httptools.HttpParserError, data: bytes, *, in_head: bool) -> GatewayError:
    """What to say of bytes that the parser gave up on."""
    if isinstance(error, httptools.HttpParserInvalidMethodError) and in_head:
        token = data.partition(b" ")[0]
        if token.isalpha():
            return MethodUnknown(reason="unknown method")  # RFC 9110 section 15.6.2
    return RequestMalformed(reason=type(error).__name__)


def unreadable_answer(error: httptools.HttpParserError) -> GatewayError:
    """What the parser, or a callback of ours in it, has against an answer. Raises a callback's defect."""
    if not isinstance(error, httptools.HttpParserCallbackError):
        return UpstreamBroken(reason=str(error))
    if isinstance(error.__context__, GatewayError):
        return error.__context__
    raise (error.__context__ or error) from None
